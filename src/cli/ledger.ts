// npm run ledger: exit code 0 when everything that came in adds up with everything that went out, else 1.
import { runCommand } from './command.ts'
import { addsUp, ledgerReport, printed } from './ledger-report.ts'

await runCommand(async (db) => {
  const report = await ledgerReport(db)
  process.stdout.write(printed(report))
  return addsUp(report) ? 0 : 1
})
