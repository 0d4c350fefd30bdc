import { loadModule, parseSync } from 'libpg-query'
import type { Json } from '../../src/domain/json.ts'
import { placement } from './placement.ts'

// What Citus refuses of a migration of tables that it has spread (Citus 13: ErrorIfUnsupportedAlterTableStmt in table.c, and
// trigger.c). Tables that the migration makes itself are not spread yet, and may have anything.

await loadModule()

type Node = Json

const SPREAD = new Set([...placement.distributed, ...placement.reference])

const TAKEN = new Set(
  ['AddColumn', 'DropColumn', 'ColumnDefault', 'SetNotNull', 'DropNotNull', 'AlterColumnType']
    .concat(['AddConstraint', 'DropConstraint', 'ValidateConstraint', 'SetRelOptions', 'ResetRelOptions'])
    .concat(['AttachPartition', 'DetachPartition'])
    .map((name) => `AT_${name}`),
)
const CONSTRAINTS = new Set(['CHECK', 'UNIQUE', 'PRIMARY', 'FOREIGN'].map((name) => `CONSTR_${name}`))

/** Why Citus would not run a migration; empty: it would. */
export function refusedOfMigration(file: string): string[] {
  const statements: Node[] = (parseSync(file).stmts ?? []).map(({ stmt }: Node) => stmt)
  const made = new Set(statements.map(({ CreateStmt }) => CreateStmt?.relation.relname))
  const isSpread = (name: string) => SPREAD.has(name) && !made.has(name)
  return statements.flatMap(({ AlterTableStmt: altered, CreateTrigStmt: trigger }) => {
    if (trigger && isSpread(trigger.relation.relname)) return [`a trigger on ${trigger.relation.relname}`]
    if (!altered || !isSpread(altered.relation.relname)) return []
    const changes: Node[] = altered.cmds.map(({ AlterTableCmd }: Node) => AlterTableCmd)
    return changes.flatMap(({ subtype, name, def }) => {
      const of = `${altered.relation.relname}.${def?.ColumnDef?.colname ?? name}`
      if (!TAKEN.has(subtype)) return [`${subtype} of ${of}`]
      const added: Node[] = def?.ColumnDef?.constraints ?? []
      const unnamed = added.some(({ Constraint: { contype, conname } }) => CONSTRAINTS.has(contype) && !conname)
      if (changes.length > 1 && unnamed) return [`a constraint of ${of} without a name, among several changes`]
      if (changes.length > 1 && def?.Constraint?.contype === 'CONSTR_FOREIGN')
        return ['a foreign key among several changes']
      return []
    })
  })
}
