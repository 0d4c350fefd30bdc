import {
  type AlterTableCmd,
  type AlterTableStmt,
  type ColumnDef,
  type Constraint,
  type CreateStmt,
  type DropStmt,
  type InsertStmt,
  loadModule,
  type Node,
  parseSync,
} from 'libpg-query'
import { DAILY_TABLES } from '../../src/database/partitions.ts'
import { compareVersions } from '../../src/database/schema-compatibility.ts'

// What docs/migrations.md asks of a migration: it runs beside the version before it, and locks nobody out. A table that the
// migration makes itself may have anything.

await loadModule()

export interface MigrationHead {
  oldestProgram: string
  /** From this version on nothing reads what the migration drops; undefined: it drops nothing. */
  unreadSince: string | undefined
  isWithoutTransaction: boolean
}

/** What the comments of a migration promise; null when it does not begin with the oldest compatible program. */
export function readHead(file: string): MigrationHead | null {
  const oldestProgram = /^-- Oldest compatible program: (\d+\.\d+\.\d+)\n/.exec(file)?.[1]
  if (oldestProgram === undefined) return null
  return {
    oldestProgram,
    unreadSince: /^-- Unread since: (\d+\.\d+\.\d+)$/m.exec(file)?.[1],
    isWithoutTransaction: /^-- Without a transaction\b/m.test(file),
  }
}

interface Surroundings extends MigrationHead {
  /** Tables that the migration makes. */
  newTables: ReadonlySet<string>
  /** Constraints that it adds without validating them. */
  newConstraints: Set<string>
}

/** Why a migration must not be published; empty: it may be. `lastRelease` is the version that it runs beside. */
export function findUnsafeStatements(file: string, lastRelease: string): string[] {
  const head = readHead(file)
  if (!head) return ['the first line must be "-- Oldest compatible program: x.y.z"']
  const statements = (parseSync(file).stmts ?? []).flatMap(({ stmt }) => stmt ?? [])
  const newTables = new Set(
    statements.flatMap((node) => ('CreateStmt' in node ? (node.CreateStmt.relation?.relname ?? []) : [])),
  )
  const surroundings = { ...head, newTables, newConstraints: new Set<string>() }
  return [...findHeadMistakes(head, lastRelease), ...statements.flatMap((node) => judgeStatement(node, surroundings))]
}

function findHeadMistakes({ oldestProgram, unreadSince }: MigrationHead, lastRelease: string): string[] {
  const mistakes: string[] = []
  if (compareVersions(oldestProgram, lastRelease) > 0)
    mistakes.push(`${lastRelease} is the last release and has to work with it, so it cannot need ${oldestProgram}`)
  if (unreadSince !== undefined && compareVersions(unreadSince, oldestProgram) > 0)
    mistakes.push(`what is unread since ${unreadSince} is read by ${oldestProgram}, which is said to be compatible`)
  return mistakes
}

function judgeStatement(node: Node, surroundings: Surroundings): string[] {
  const { newTables, isWithoutTransaction } = surroundings
  if ('AlterTableStmt' in node) return judgeAlterTable(node.AlterTableStmt, surroundings)
  if ('CreateStmt' in node) return judgeCreateTable(node.CreateStmt)
  if ('InsertStmt' in node) return judgeInsert(node.InsertStmt, newTables)
  if ('DropStmt' in node) return judgeDrop(node.DropStmt, surroundings)
  if ('IndexStmt' in node) {
    const { relation, concurrent, idxname } = node.IndexStmt
    const table = relation?.relname ?? ''
    // Of a table of days alone it is an entry in the catalog, that the indexes of the days are attached to.
    const isOfParent = relation?.inh !== true && DAILY_TABLES.some((name) => name === table)
    if (newTables.has(table) || concurrent || isOfParent) return []
    return [
      `index ${idxname ?? ''} on ${relation?.relname}: create it concurrently, in a migration without a transaction`,
    ]
  }
  if ('RenameStmt' in node) {
    const { relation, subname, newname } = node.RenameStmt
    return [`${subname ?? relation?.relname} is renamed to ${newname}: the version before reads the old name`]
  }
  if ('CreateTrigStmt' in node) {
    const { relation, trigname } = node.CreateTrigStmt
    return newTables.has(relation?.relname ?? '') ? [] : [`trigger ${trigname} on ${relation?.relname}`]
  }
  if ('DoStmt' in node)
    return isWithoutTransaction && /\bcommit\b/i.test(JSON.stringify(node.DoStmt))
      ? []
      : ['a do block: only in a migration without a transaction, with a commit after each batch']
  if ('CommentStmt' in node || 'CreateFunctionStmt' in node || 'VariableSetStmt' in node) return []
  return [`${Object.keys(node).join()}: test/support/migration-rules.ts knows nothing about it yet`]
}

function judgeCreateTable({ relation, partbound }: CreateStmt): string[] {
  return partbound ? [`partition ${relation?.relname}: make it by itself, then attach it`] : []
}

/** Rows that stand in the migration are few; those of a select may be a million. */
function judgeInsert({ relation, selectStmt }: InsertStmt, newTables: ReadonlySet<string>): string[] {
  const select = selectStmt && 'SelectStmt' in selectStmt ? selectStmt.SelectStmt : undefined
  const isOfValues = select?.valuesLists !== undefined && select.valuesLists.length > 0
  if (isOfValues || (newTables.has(relation?.relname ?? '') && !select?.fromClause)) return []
  return [`rows of a select into ${relation?.relname}: backfill them in batches`]
}

function judgeDrop({ removeType, objects = [] }: DropStmt, { unreadSince }: Surroundings): string[] {
  if (unreadSince !== undefined) return []
  const names = objects.flatMap((object) =>
    'List' in object
      ? (object.List.items ?? []).flatMap((item) => ('String' in item ? (item.String.sval ?? []) : []))
      : [],
  )
  return [`${removeType} ${names.join('.')} is dropped: say "-- Unread since: x.y.z"`]
}

function judgeAlterTable({ relation, cmds = [], objtype }: AlterTableStmt, surroundings: Surroundings): string[] {
  const table = relation?.relname ?? ''
  if (surroundings.newTables.has(table) || objtype === 'OBJECT_INDEX') return []
  return cmds.flatMap((node) =>
    'AlterTableCmd' in node ? judgeChange(table, node.AlterTableCmd, surroundings) : [`a change of ${table}`],
  )
}

/** Changes of the catalog alone: they lock the table for a moment, and the version before does not see them. */
const HARMLESS_CHANGES: readonly string[] = [
  ...[
    'AT_DropNotNull',
    'AT_SetStatistics',
    'AT_SetRelOptions',
    'AT_ResetRelOptions',
    'AT_SetStorage',
    'AT_SetCompression',
  ],
]

function judgeChange(table: string, change: AlterTableCmd, surroundings: Surroundings): string[] {
  const { subtype = '', name = '', def } = change
  if (HARMLESS_CHANGES.includes(subtype)) return []
  switch (subtype) {
    case 'AT_AddColumn':
      return def && 'ColumnDef' in def ? judgeNewColumn(table, def.ColumnDef) : [`${subtype} of ${table}`]
    case 'AT_AddConstraint':
      return def && 'Constraint' in def
        ? judgeNewConstraint(table, def.Constraint, surroundings)
        : [`${subtype} of ${table}`]
    case 'AT_ValidateConstraint':
      return surroundings.newConstraints.has(name) && !surroundings.isWithoutTransaction
        ? [
            `${name} is validated in the transaction that adds it, which locks ${table}: validate it in the next migration`,
          ]
        : []
    case 'AT_ColumnDefault':
      return def ? [] : [`the default of ${table}.${name} is dropped: the version before may rely on it`]
    case 'AT_DropColumn':
    case 'AT_DropConstraint':
      return surroundings.unreadSince === undefined ? [`${table}.${name} is dropped: say "-- Unread since: x.y.z"`] : []
    default:
      return [`${subtype} of ${table}.${name} rewrites the table, scans it under a lock, or is not looked at yet`]
  }
}

function judgeNewColumn(table: string, { colname, constraints = [] }: ColumnDef): string[] {
  const of = `${table}.${colname}`
  const parts = constraints.flatMap((node) => ('Constraint' in node ? node.Constraint : []))
  const hasDefault = parts.some(({ contype }) => contype === 'CONSTR_DEFAULT')
  return parts.flatMap(({ contype, raw_expr }) => {
    if (contype === 'CONSTR_NULL') return []
    if (contype === 'CONSTR_NOTNULL')
      return hasDefault ? [] : [`${of} is not null and has no default: the version before does not fill it`]
    if (contype === 'CONSTR_DEFAULT')
      return raw_expr && callsVolatileFunction(raw_expr) ? [`the default of ${of} rewrites the table`] : []
    return [`${contype} of ${of}: add it as a constraint of its own, not valid`]
  })
}

/** Whether a default is more than a constant or the time of the migration. */
const callsVolatileFunction = (expression: Node): boolean =>
  JSON.stringify(expression).includes('"FuncCall"') &&
  !/"funcname":\[\{"String":\{"sval":"now"\}\}\]/.test(JSON.stringify(expression))

function judgeNewConstraint(table: string, constraint: Constraint, { newConstraints }: Surroundings): string[] {
  const { contype, conname = '', skip_validation, indexname } = constraint
  if (skip_validation) newConstraints.add(conname)
  if (skip_validation || indexname) return []
  return [`${contype} ${conname} of ${table} checks every row under a lock: add it not valid, or using an index`]
}
