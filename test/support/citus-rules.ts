import { loadModule, parseSync } from 'libpg-query'
import type { Json } from '../../src/domain/json.ts'
import { placement } from './placement.ts'

// What a Citus cluster refuses of a statement, or would run on every node, by the rules of its planner (Citus 13:
// multi_router_planner.c, query_pushdown_planning.c and the documents' "SQL support and workarounds"). It is stricter than
// Citus where that is easier to read, and knows the volatility of functions from the database.

await loadModule()

/** Names of functions that are not immutable. */
export interface Volatility {
  volatile: ReadonlySet<string>
  stable: ReadonlySet<string>
}

export interface Verdict {
  /** `client`: about one client. `shard`: about clients that the caller takes from one shard. `insert`: rows of any clients. `all`: it goes to every node. `local`: to none. */
  reach: 'client' | 'shard' | 'insert' | 'all' | 'local'
  /** Why Citus would not run it; empty: it would. */
  refused: string[]
}

type Node = Json
type Tables = readonly string[]

const DISTRIBUTED: Tables = placement.distributed
const PARTITIONS = new RegExp(`^(${DISTRIBUTED.join('|')})_(\\d{8}|default)$`)
const isDistributed = (name: string) => DISTRIBUTED.includes(name) || PARTITIONS.test(name)
const isLocal = (name: string) => placement.local.includes(name)

/** Judges one statement, with parameters as `$1`. Throws when it cannot be parsed. */
export function judged(sql: string, functions: Volatility): Verdict {
  const stmts = (parseSync(sql).stmts ?? []) as { stmt: Node }[]
  const [one] = stmts
  if (!one || stmts.length > 1) throw new Error(`One statement, not ${stmts.length}: ${sql}`)
  const statement = one.stmt
  const tables = tablesOf(statement)
  const distributed = tables.filter(({ name }) => isDistributed(name))
  const refused: string[] = []
  if (distributed.length > 0)
    for (const { name } of tables.filter(({ name }) => isLocal(name)))
      refused.push(`${name} is on the coordinator alone, and cannot be asked together with distributed tables`)
  if (distributed.length > 0 && testsRowOfParameters(statement)) refused.push('a test of a row of parameters for null')
  refused.push(...modifications(statement, functions))
  if (distributed.length === 0) return { reach: 'local', refused }

  const loose = looseTables(statement)
  if (loose.length === 0) return { reach: 'client', refused }
  const inserts = statement.InsertStmt && loose.every((name) => name === statement.InsertStmt.relation.relname)
  if (inserts) return { reach: 'insert', refused }
  if (looseTables(statement, ['AEXPR_OP', 'AEXPR_OP_ANY']).length === 0) return { reach: 'shard', refused }
  refused.push(...scattering(statement, functions))
  return { reach: 'all', refused }
}

/** Everything below a node, itself included, with what it is called there. */
function* walk(node: Node, kind = ''): Generator<[kind: string, node: Node]> {
  if (typeof node !== 'object' || node === null) return
  if (Array.isArray(node)) {
    for (const one of node) yield* walk(one, kind)
    return
  }
  if (kind) yield [kind, node]
  for (const [key, value] of Object.entries(node)) yield* walk(value, key)
}

const all = (node: Node, kind: string): Node[] =>
  [...walk(node)].filter(([name]) => name === kind).map(([, one]) => one)

/** Tables that a statement names, but for its own common table expressions. */
function tablesOf(statement: Node): { name: string }[] {
  const ctes = new Set(all(statement, 'CommonTableExpr').map(({ ctename }) => ctename))
  return [...walk(statement)]
    .filter(([kind]) => kind === 'RangeVar' || kind === 'relation')
    .map(([, { relname }]) => ({ name: relname as string }))
    .filter(({ name }) => name !== undefined && !ctes.has(name))
}

const MODIFYING = ['InsertStmt', 'UpdateStmt', 'DeleteStmt'] as const
/** Statements within a statement, itself first. */
const QUERIES = ['SelectStmt', ...MODIFYING]

/** What belongs to one query itself: its parts without the queries inside. */
function* own(node: Node, kind = '', top = true): Generator<[string, Node]> {
  if (typeof node !== 'object' || node === null) return
  if (Array.isArray(node)) {
    for (const one of node) yield* own(one, kind, top)
    return
  }
  if (!top && QUERIES.includes(kind)) return
  if (kind) yield [kind, node]
  for (const [key, value] of Object.entries(node)) if (key !== 'larg' && key !== 'rarg') yield* own(value, key, false)
  // The halves of a union are queries of their own; those of a join are not.
  if (!node.op || node.op === 'SETOP_NONE') for (const key of ['larg', 'rarg']) yield* own(node[key], key, false)
}

function queriesOf(statement: Node): [kind: string, query: Node][] {
  const found: [string, Node][] = []
  for (const [kind, node] of walk(statement)) {
    if (QUERIES.includes(kind)) found.push([kind, node])
    if (kind === 'larg' || kind === 'rarg') if ('op' in node && 'limitOption' in node) found.push(['SelectStmt', node])
  }
  return found
}

/** Distributed tables that no condition of their own query ties to the client, in the order of the statement. */
function looseTables(statement: Node, ties: readonly string[] = ['AEXPR_OP']): string[] {
  return queriesOf(statement).flatMap(([kind, query]) => {
    const relations = relationsOf(query)
    const tied = tiedTo(query, relations, ties)
    const loose = relations.filter(({ name, alias }) => isDistributed(name) && !tied.has(alias)).map(({ name }) => name)
    if (kind !== 'InsertStmt') return loose
    return insertsOneClient(query) ? [] : loose
  })
}

interface Relation {
  name: string
  alias: string
}

function relationsOf(query: Node): Relation[] {
  const found: Relation[] = []
  for (const [kind, node] of own(query)) {
    if (kind !== 'RangeVar' && kind !== 'relation') continue
    if (node.relname) found.push({ name: node.relname, alias: node.alias?.aliasname ?? node.relname })
  }
  return found
}

/**
 * The aliases whose client_id equals a parameter, or that of another one which does; `= any` of one counts where `ties` says so,
 * since a list of one shard's clients is found there as one client is; `x in ($1)` never counts.
 */
function tiedTo(query: Node, relations: readonly Relation[], ties: readonly string[]): Set<string> {
  const tied = new Set<string>()
  const links: [string, string][] = []
  for (const condition of conditionsOf(query)) {
    const { kind, name, lexpr, rexpr } = condition.A_Expr ?? {}
    if (!ties.includes(kind) || name?.[0]?.String?.sval !== '=') continue
    const [left, right] = [clientColumn(lexpr, relations), clientColumn(rexpr, relations)]
    if (left && right) links.push([left, right])
    else if (left && isParameter(rexpr)) tied.add(left)
    else if (right && isParameter(lexpr)) tied.add(right)
  }
  for (let grown = true; grown; ) {
    grown = false
    for (const [a, b] of links)
      for (const [one, other] of [
        [a, b],
        [b, a],
      ] as const)
        if (tied.has(one) && !tied.has(other)) {
          tied.add(other)
          grown = true
        }
  }
  return tied
}

/** What all must hold: the parts of `and` in `where` and in the conditions of joins. */
function conditionsOf(query: Node): Node[] {
  const parts: Node[] = []
  const add = (node: Node) => {
    if (!node) return
    if (node.BoolExpr?.boolop === 'AND_EXPR') for (const one of node.BoolExpr.args) add(one)
    else parts.push(node)
  }
  add(query.whereClause)
  for (const [kind, node] of own(query)) if (kind === 'JoinExpr') add(node.quals)
  return parts
}

const isParameter = (node: Node): boolean =>
  Boolean(node?.ParamRef ?? (node?.TypeCast && isParameter(node.TypeCast.arg)))

/** The alias of a `client_id`; an unqualified one is that of the only table here which has it. */
function clientColumn(node: Node, relations: readonly Relation[]): string | undefined {
  const words = node?.ColumnRef?.fields?.map((field: Node) => field.String?.sval)
  if (words?.at(-1) !== 'client_id') return undefined
  if (words.length > 1) return relations.some(({ alias }) => alias === words[0]) ? words[0] : undefined
  const [only, another] = relations
  return another ? undefined : only?.alias
}

/** `values ($1, ...)` or `select $1, ...` into the column client_id. */
function insertsOneClient({ cols, selectStmt }: Node): boolean {
  const at = (cols ?? []).findIndex(({ ResTarget }: Node) => ResTarget.name === 'client_id')
  const select = selectStmt?.SelectStmt
  if (at < 0 || !select) return false
  const rows = select.valuesLists?.map(({ List }: Node) => List.items[at]) ?? [select.targetList?.[at]?.ResTarget?.val]
  return rows.every(isParameter)
}

/** Whether a row without columns is tested for null: it reaches the nodes as a text that is no record. */
const testsRowOfParameters = (statement: Node) =>
  all(statement, 'NullTest').some(({ arg }) => arg.RowExpr && !columnsIn(arg))

const called = (node: Node): string[] =>
  all(node, 'FuncCall').map(({ funcname }) => funcname.at(-1).String.sval as string)
const timeWords = (node: Node) => (all(node, 'SQLValueFunction').length > 0 ? ['current_timestamp'] : [])

/** Functions in an expression that give another answer at another time; those of queries inside are judged with them. */
const unsteady = (node: Node, { stable, volatile }: Volatility) => [
  ...called(node).filter((name) => stable.has(name) || volatile.has(name)),
  ...timeWords(node),
]

/** What Citus refuses of a modification of a table of its own, also of one client's. */
function modifications(statement: Node, functions: Volatility): string[] {
  return queriesOf(statement).flatMap(([kind, query]) => {
    if (!MODIFYING.includes(kind as never) || isLocal(query.relation.relname)) return []
    const refused: string[] = []
    const returning = query.returningClause?.exprs ?? query.returningList
    if (returning && unsteady(returning, functions).length > 0)
      refused.push(`${unsteady(returning, functions)[0]} in returning`)
    if (returning && all(returning, 'SubLink').length > 0) refused.push('a subquery in returning')
    return [...refused, ...(kind === 'InsertStmt' ? refusedInsert(query, functions) : refusedUpdate(query, functions))]
  })
}

function refusedInsert(query: Node, functions: Volatility): string[] {
  const refused: string[] = []
  const conflict = query.onConflictClause
  const [unsteadyName] = conflict ? unsteady([conflict.targetList, conflict.whereClause], functions) : []
  if (unsteadyName) refused.push(`${unsteadyName} in on conflict`)
  const values = query.selectStmt?.SelectStmt?.valuesLists
  if (!values && all([conflict?.targetList, conflict?.whereClause], 'ParamRef').length > 0)
    refused.push('a parameter in on conflict of an insert ... select')
  if (values && all(values, 'SubLink').length > 0) refused.push('a subquery within values')
  if (values && query.withClause) refused.push('insert ... values after a with')
  return refused
}

function refusedUpdate(query: Node, functions: Volatility): string[] {
  const refused: string[] = []
  const set = (query.targetList ?? []).map(({ ResTarget }: Node) => ResTarget.val)
  const expressions = [...set, query.whereClause].filter(Boolean)
  for (const name of called(expressions)) if (functions.volatile.has(name)) refused.push(`${name} in a modification`)
  if (
    all(expressions, 'CaseExpr').some(({ arg }) => arg) &&
    unsteady([...expressions, query.fromClause], functions).length > 0
  )
    refused.push('case of an operand beside a function of now')
  for (const kind of ['CaseExpr', 'CoalesceExpr'])
    for (const node of all(expressions, kind))
      if (unsteady(node, functions).length > 0) refused.push(`${unsteady(node, functions)[0]} in case or coalesce`)
  for (const call of all(expressions, 'FuncCall'))
    if (functions.stable.has(call.funcname.at(-1).String.sval) && all(call, 'ColumnRef').length > 0)
      refused.push(`${call.funcname.at(-1).String.sval} of a column in a modification`)
  for (const { name, lexpr, rexpr } of all(expressions, 'A_Expr'))
    if (['+', '-'].includes(name?.[0]?.String?.sval) && spansOfTime([lexpr, rexpr]) && columnsIn([lexpr, rexpr]))
      refused.push('a time and a span of a column in a modification')
  if (set.some((_: Node, at: number) => query.targetList[at].ResTarget.name === 'client_id'))
    refused.push('another client_id')
  return refused
}

const columnsIn = (nodes: Node) => all(nodes, 'ColumnRef').length > 0
const spansOfTime = (nodes: Node) =>
  called(nodes).includes('make_interval') ||
  all(nodes, 'TypeCast').some(({ typeName }) => typeName.names.at(-1).String.sval === 'interval')

/** What Citus refuses, or gets slow by, of a statement that goes to every node. */
function scattering(statement: Node, functions: Volatility): string[] {
  const refused: string[] = []
  const add = (isSo: boolean, why: string) => void (isSo && refused.push(`${why}, across clients`))
  const inner = queriesOf(statement).slice(1)
  const ofGrown = (query: Node) => tablesOf(query).some(({ name }) => isDistributed(name))
  add(all(statement, 'LockingClause').length > 0, 'for update')
  add(
    inner.some(([kind]) => MODIFYING.includes(kind as never)),
    'a modification in a with',
  )
  add(Boolean(statement.InsertStmt), 'an insert beside a look at rows')
  add(
    called(statement).some((name) => functions.volatile.has(name)),
    'a volatile function',
  )
  add(
    all(statement, 'RangeSubselect').some(({ lateral, subquery }) => lateral && ofGrown(subquery)),
    'a lateral subquery of distributed tables',
  )
  // A correlated one is planned as a join, which needs a distributed table outside and the client on both sides.
  for (const [, query] of queriesOf(statement)) {
    const relations = relationsOf(query)
    for (const [kind, link] of own(query)) {
      if (kind !== 'SubLink' || !ofGrown(link.subselect)) continue
      const outside = relations.filter(({ name }) => isDistributed(name))
      add(outside.length === 0, 'a subquery of distributed tables beside none')
      const names = new Set(outside.map(({ alias }) => alias))
      const subquery = link.subselect.SelectStmt
      const joined = conditionsOf(subquery).some(({ A_Expr }) =>
        [A_Expr?.lexpr, A_Expr?.rexpr].some((side) => {
          const words = side?.ColumnRef?.fields?.map((field: Node) => field.String?.sval)
          return words?.length === 2 && words[1] === 'client_id' && names.has(words[0])
        }),
      )
      add(!joined, 'a subquery that is not about the client of its row')
      add(Boolean(subquery.limitCount), 'a limit in a subquery')
      add(called(subquery.targetList ?? []).length > 0 && !subquery.groupClause, 'an aggregate in a subquery')
    }
    // Distributed tables that meet have to meet at the client.
    const grown = relations.filter(({ name }) => isDistributed(name))
    if (grown.length > 1) {
      const joined = conditionsOf(query).filter(
        ({ A_Expr }) => clientColumn(A_Expr?.lexpr, relations) && clientColumn(A_Expr?.rexpr, relations),
      ).length
      add(joined < grown.length - 1, 'a join that is not about one client')
    }
  }
  add(Boolean(statement.UpdateStmt?.fromClause ?? statement.DeleteStmt?.usingClause), 'a modification that joins')
  return refused
}
