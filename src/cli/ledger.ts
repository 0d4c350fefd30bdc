import { defineCommand } from './command.ts'
import { withDatabase } from './database.ts'
import { ledgerAddsUp, ledgerText, readLedgerReport } from './ledger-report.ts'

export default defineCommand({
  name: 'ledger',
  summary: 'Check that everything that came in adds up with everything that went out',
  about: 'Exits with 0 when the ledger adds up, with 1 when it does not. It may run beside a running gateway.',
  run: ({ printLine }) =>
    withDatabase(async (db) => {
      const report = await readLedgerReport(db)
      printLine(ledgerText(report).trimEnd())
      return ledgerAddsUp(report) ? 0 : 1
    }),
})
