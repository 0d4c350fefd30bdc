import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { playStep } from '../../demo/play.ts'
import { setStage } from '../../demo/stage.ts'
import { demoStory } from '../../demo/story.ts'
import { afterwards } from '../support/afterwards.ts'
import { compiled } from '../support/compiled.ts'
import { eventually } from '../support/eventually.ts'
import { startTestGateway, temporaryFolder } from '../support/gateway.ts'
import { present } from '../support/present.ts'

/** npm run demo, with a folder of its own for what it keeps meanwhile. */
async function demo() {
  const folder = await temporaryFolder()
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../demo/demo.ts', import.meta.url))], {
    env: { PATH: process.env.PATH, ...compiled, TMPDIR: folder },
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk) => (said.stdout += chunk))
  child.stderr.on('data', (chunk) => (said.stderr += chunk))
  const ended = once(child, 'close').then(([code]) => code)
  afterwards(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return { child, said, ended, left: () => readdir(folder) }
}

test('the demo shows a whole life, ends by itself and leaves nothing behind', async () => {
  const { said, ended, left } = await demo()
  expect(await ended).toBe(0)
  expect(said.stderr).toBe('')
  expect(said.stdout).toContain('Everything arrived')
  for (const { event, expect: types, florentin = [] } of demoStory().flatMap(({ steps }) => steps))
    for (const shown of [event.type, ...types, ...florentin]) expect(said.stdout).toContain(shown)
  expect(await left()).toEqual([])
})

test('Ctrl-C in the middle of the demo leaves nothing behind either', async () => {
  const { child, said, ended, left } = await demo()
  await eventually(() => said.stdout.includes('Day 0'), { timeoutMs: 60_000 })
  expect(await left()).toHaveLength(1)
  child.kill('SIGINT')
  child.kill('SIGINT')
  expect(await ended).toBe(130)
  expect(await left()).toEqual([])
})

test('what does not come as it should is a problem, and told', async () => {
  const stage = await setStage(await startTestGateway())
  afterwards(stage.close)
  const created = present(
    demoStory()
      .flatMap(({ steps }) => steps)
      .find(({ event }) => event.type === 'customer.subscription.created'),
  )
  expect((await playStep(stage, created)).problems).toEqual([])
  const { problems } = await playStep(stage, { ...created, event: { ...created.event, id: 'evt_again' } })
  expect(problems).toEqual([
    'customer.subscription.created is ignored and became nothing of flo, not subscription.created',
    'customer.subscription.created is ignored and became nothing of florentin, not subscription.purchased',
  ])
})
