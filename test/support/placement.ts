import { readFileSync } from 'node:fs'
import { present } from './present.ts'

const file = readFileSync(new URL('../../sql/citus.sql', import.meta.url), 'utf8')

const words = (text: string | undefined) => [...(text ?? '').matchAll(/\w+/g)].map(([word]) => word)

/** Where each table is on a Citus cluster, as sql/citus.sql has it. */
export const placement = {
  distributed: [...file.matchAll(/create_distributed_table\('(\w+)'/g)].map(([, name]) => present(name)),
  reference: words(/names text\[\] := array\[([^\]]+)\]/.exec(file)?.[1]),
  local: words(/^-- Stay on the coordinator: ([^;]+);/m.exec(file)?.[1]),
}
