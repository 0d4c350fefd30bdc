import backfill from './backfill.ts'
import type { Command } from './command.ts'
import explain from './explain.ts'
import keysRotate from './keys-rotate.ts'
import ledger from './ledger.ts'
import mappingsDiff from './mappings-diff.ts'
import migrate from './migrate.ts'
import renormalize from './renormalize.ts'
import replay from './replay.ts'
import trigger from './trigger.ts'

/** What `flo-gateway` can do, in the order of the help. A new command is a file and a line here; docs/cli.md tells of it. */
export const commands: readonly Command[] = [
  explain,
  mappingsDiff,
  renormalize,
  backfill,
  replay,
  ledger,
  migrate,
  keysRotate,
  trigger,
]
