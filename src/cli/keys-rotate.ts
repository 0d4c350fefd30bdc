import type { Db } from '../database/db.ts'
import { ConfigError } from '../errors.ts'
import { newLog } from '../log.ts'
import { assertKeysOpen, countKeyUses, findProcessesWithout, type KeyUse, rotateKeys } from '../secrets/key-rotation.ts'
import { type KeyRing, loadKeyRing } from '../secrets/keyring.ts'
import { defineCommand } from './command.ts'
import { withDatabase } from './database.ts'
import { bad, good } from './paint.ts'

export default defineCommand({
  name: 'keys rotate',
  summary: 'Encrypt every stored secret with the first key of FLO_ENCRYPTION_KEYS',
  about:
    'Afterwards an older key can be removed from FLO_ENCRYPTION_KEYS. Gateways may keep running, and the command can be interrupted and run again. Exits with 1 when something is still encrypted with another key.',
  options: {
    check: { type: 'boolean', about: 'change nothing, only show what is left' },
  },
  examples: ['keys rotate', 'keys rotate --check'],
  run: ({ options, printLine }) =>
    withDatabase(async (db, config) => {
      const keyRing = await loadKeyRing(config, newLog('warn'))
      await assertKeysOpen(db, keyRing)
      const [newest = ''] = keyRing.ids
      if (!options.check) {
        await assertEveryProcessHas(db, newest)
        await rotateKeys(db, keyRing)
      }
      const uses = await countKeyUses(db, { replies: true })
      for (const { keyId, count, kind } of uses)
        printLine(`${keyId === newest ? good(keyId) : bad(keyId)}  ${count} ${kind}`)
      return reportKeyUses(uses, keyRing, printLine)
    }),
})

async function assertEveryProcessHas(db: Db, keyId: string) {
  const without = await findProcessesWithout(db, keyId)
  if (without.length === 0) return
  const who = without.map(({ host, pid }) => `process ${pid} on ${host}`).join(', ')
  throw new ConfigError(
    `The key "${keyId}" is unknown to ${who}, which could not read what is encrypted with it: start them with the same FLO_ENCRYPTION_KEYS first.`,
  )
}

function reportKeyUses(
  uses: readonly KeyUse[],
  { ids: [newest, ...older] }: KeyRing,
  printLine: (text: string) => void,
): number {
  const left = new Set(uses.map(({ keyId }) => keyId).filter((keyId) => keyId !== newest))
  const free = older.filter((keyId) => !left.has(keyId))
  if (left.size > 0) printLine(bad(`Something is left under ${[...left].join(', ')}.`))
  if (free.length > 0)
    printLine(good(`Nothing is left under ${free.join(', ')}: it can be removed from FLO_ENCRYPTION_KEYS.`))
  if (left.size === 0 && free.length === 0) printLine(good(`Everything is under ${newest}.`))
  return left.size > 0 ? 1 : 0
}
