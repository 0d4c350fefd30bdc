import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** For the environment of processes: what Node has compiled is kept, and saves a third of each start's work. */
export const compiled = { NODE_COMPILE_CACHE: join(tmpdir(), 'flo-gateway-compiled') }
