/** The API versions whose shapes differ in what a mapping reads; any other version renders by its date. */
export const VERSIONS = [
  '2014-09-08',
  '2018-02-28',
  '2020-08-27',
  '2022-11-15',
  '2024-10-28.acacia',
  '2025-03-31.basil',
  '2025-09-30.clover',
  '2026-03-25.dahlia',
  '2026-10-28.endive',
] as const

/** The version of the installed `stripe` package's types. */
export const NEWEST = '2026-10-28.endive'

/** `2024-10-28.acacia` -> `2024-10-28`: dates order the versions. */
export const dateOf = (version: string): string => version.slice(0, 10)

export const ACACIA = '2024-10-28'
export const BASIL = '2025-03-31'
export const CLOVER = '2025-09-30'
export const DAHLIA = '2026-03-25'
export const ENDIVE = '2026-09-30'
