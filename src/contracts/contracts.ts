import type { Contract } from './contract.ts'
import { flo } from './flo.ts'

/** Every contract that an endpoint can choose, by name. */
export const contracts: Readonly<Record<string, Contract>> = { [flo.name]: flo }
