import type { Queryable } from '../src/database/db.ts'

// sql/schema.sql, written from pg_catalog: what PostgreSQL itself says of every table, and nothing of the days' partitions.

const HEAD = `-- The tables as all migrations leave them, for reading: nobody runs this file. \`npm run schema\` writes it from a migrated
-- database, and test/tools/schema.test.ts compares the two. Tables that are partitioned have one partition for each day and a
-- default one; their days are not listed. Graphile Worker keeps its jobs in a schema of its own.
`

/** Where the comments of columns begin. */
const COMMENT_COLUMN = 55

/** A table, and what hangs off it, as PostgreSQL writes each. */
interface TableRow {
  name: string
  comment: string | null
  partitionKey: string | null
  columns: { name: string; definition: string; comment: string | null }[]
  constraints: string[]
  indexes: string[]
  triggers: string[]
}

/** The page of all tables and functions of the schema \`public\`, in the order of their names. */
export async function renderSchema(db: Queryable): Promise<string> {
  const tables = await readTables(db)
  const functions = await readFunctions(db)
  return [HEAD, ...tables.map(renderTable), '-- Functions\n', ...functions.map((text) => `${text}\n`)].join('\n')
}

async function readTables(db: Queryable): Promise<TableRow[]> {
  const { rows } = await db.query<TableRow>(`
    select c.relname as name, obj_description(c.oid, 'pg_class') as comment, pg_get_partkeydef(c.oid) as "partitionKey",
           (select json_agg(json_build_object('name', quote_ident(a.attname), 'comment', col_description(c.oid, a.attnum),
                     'definition', format_type(a.atttypid, a.atttypmod)
                       || coalesce(' generated always as (' || case a.attgenerated when 's' then pg_get_expr(d.adbin, d.adrelid) end
                                   || ') stored', '')
                       || case when a.attnotnull then ' not null' else '' end
                       || coalesce(' default ' || case a.attgenerated when '' then pg_get_expr(d.adbin, d.adrelid) end, '')) order by a.attnum)
              from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
             where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
           coalesce((select json_agg(pg_get_constraintdef(oid, true) order by position(contype::text in 'pufcx'),
                                     pg_get_constraintdef(oid, true))
                       from pg_constraint where conrelid = c.oid and contype in ('p', 'u', 'f', 'c', 'x')), '[]') as constraints,
           coalesce((select json_agg(pg_get_indexdef(i.indexrelid) order by pg_get_indexdef(i.indexrelid)) from pg_index i
                      where i.indrelid = c.oid and not exists (select from pg_constraint where conindid = i.indexrelid
                                                                 and contype in ('p', 'u', 'x'))), '[]') as indexes,
           coalesce((select json_agg(pg_get_triggerdef(oid) order by tgname) from pg_trigger
                      where tgrelid = c.oid and not tgisinternal), '[]') as triggers
      from pg_class c
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
     order by c.relname collate "C"`)
  return rows
}

async function readFunctions(db: Queryable): Promise<string[]> {
  const { rows } = await db.query<{ definition: string }>(`
    select pg_get_functiondef(p.oid) as definition from pg_proc p
     where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
       and not exists (select from pg_depend where objid = p.oid and deptype = 'e')
     order by p.proname collate "C", pg_get_function_identity_arguments(p.oid) collate "C"`)
  return rows.map(({ definition }) => {
    const [head = '', ...body] = definition.trimEnd().split('AS $function$')
    return `${[simplify(head).replace('create or replace', 'create'), ...body].join('as $function$')};`.replaceAll(
      /[ \t]+$/gm,
      '',
    )
  })
}

/** SQL as the migrations write it: in lower case, with short types, without the casts and brackets that PostgreSQL adds. */
const simplify = (sql: string): string =>
  sql
    .split(/('[^']*')/)
    .map((part) => (part.startsWith("'") ? part : part.toLowerCase()))
    .join('')
    .replaceAll('public.', '')
    .replaceAll('timestamp with time zone', 'timestamptz')
    .replaceAll(/\binteger\b/g, 'int')
    .replaceAll(/('[^']*')::\w+(\[\])?/g, '$1')
    .replaceAll(/= any \(array\[([^\]]*)\]\)/g, 'in ($1)')

function renderTable({ name, comment, partitionKey, columns, constraints, indexes, triggers }: TableRow): string {
  const width = Math.max(...columns.map((column) => column.name.length))
  const lines = [
    ...columns.map((column) => ({
      text: `${column.name.padEnd(width)} ${simplify(column.definition)}`,
      comment: column.comment,
    })),
    ...constraints.map((text) => ({ text: simplify(text), comment: null })),
  ]
  const body = lines.map(({ text, comment: why }, at) => {
    const line = `  ${text}${at < lines.length - 1 ? ',' : ''}`
    return why === null ? line : `${line.padEnd(COMMENT_COLUMN)} -- ${why}`
  })
  return [
    ...wrapComment(comment ?? name),
    `create table ${name} (`,
    ...body,
    `)${partitionKey === null ? '' : ` partition by ${simplify(partitionKey)}`};`,
    ...indexes.map((text) => `${renderIndex(text)};`),
    ...triggers.map((text) => `${simplify(text)};`),
    '',
  ].join('\n')
}

const renderIndex = (definition: string) =>
  simplify(definition)
    .replace(/ on only | on /, ' on ')
    .replace(' using btree', '')
    .replace(/ where \((.*)\)$/, ' where $1')

const LINE_LENGTH = 125

/** The comment of a table in lines of at most 125 characters. */
function wrapComment(text: string): string[] {
  const lines = ['--']
  for (const word of text.split(/\s+/)) {
    const line = `${lines.at(-1)} ${word}`
    if (line.length <= LINE_LENGTH) lines[lines.length - 1] = line
    else lines.push(`-- ${word}`)
  }
  return lines
}
