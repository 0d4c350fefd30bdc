// npm run demo: a subscription's life goes in as Stripe's webhooks and comes out as verified Flo events.
import pc from 'picocolors'
import { playStep } from './play.ts'
import { printChapter, printDone, printIndented, printProgress, printTitle } from './screen.ts'
import { setStage, startDemoGateway } from './stage.ts'
import { demoStory } from './story.ts'
import { printSummary } from './summary.ts'

printTitle('flo-gateway: a subscription from its trial to its end, as Stripe tells it and as its clients hear it')
printProgress('a new PostgreSQL and the gateway are starting')
const startedAt = performance.now()
const starting = startDemoGateway()

let ending: Promise<void> | undefined
/** Ends the gateway and its database and removes the folder, however often it is asked for. */
const endDemo = () =>
  (ending ??= starting.then(
    (gateway) => gateway.stop(),
    () => {},
  ))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, async () => {
    await endDemo()
    process.exit(130)
  })

try {
  const gateway = await starting
  printDone(`PostgreSQL and the gateway run on ${gateway.url}`, performance.now() - startedAt)
  const stageAt = performance.now()
  const stage = await setStage(gateway)
  printDone(`a client, its Stripe source, a user and an endpoint of each contract`, performance.now() - stageAt)

  const played = []
  for (const { day, title, steps } of demoStory()) {
    printChapter(day, title)
    for (const step of steps) played.push(await playStep(stage, step))
  }
  const complete = printSummary(played, performance.now() - startedAt)
  await stage.close()
  await endDemo()
  process.exit(complete ? 0 : 1)
} catch (error) {
  // A signal that came meanwhile is what ended it.
  if (!ending) printIndented(pc.red(`The demo cannot go on: ${(error as Error).stack}`))
  await endDemo()
  process.exit(1)
}
