// Where a semicolon does not end a statement: comments, quoted text and names, bodies of functions.
const SQL_TOKENS = /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"[^"]*"|\$([a-z_]\w*|)\$[\s\S]*?\$\1\$|[\s\S]/g

/** The statements of an SQL file, in order, without their comments and semicolons. It has no backslash escapes (`e'...'`). */
export function splitStatements(file: string): string[] {
  const statements = ['']
  for (const [piece] of file.matchAll(SQL_TOKENS)) {
    if (piece === ';') statements.push('')
    else if (!/^(--|\/\*)/.test(piece)) statements[statements.length - 1] += piece
  }
  return statements.map((text) => text.trim()).filter((text) => text !== '')
}
