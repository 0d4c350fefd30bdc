import { isSyntaxNode, type SourceFile, type SyntaxNode, walkSyntax } from './source-code.ts'

/** A function with a name of its own: declared, assigned to a constant, or a method of an object or class. */
export interface NamedFunction {
  name: string
  path: string
  line: number
  /** Lines of it, the first and last included. */
  lines: number
}

const isFunction = (node: unknown): node is SyntaxNode =>
  isSyntaxNode(node) && /^(?:ArrowFunction|Function)Expression$/.test(node.type)

/** The identifier that names the function which `node` declares; undefined when it declares none. */
function nameNode(node: SyntaxNode): unknown {
  if (node.type === 'FunctionDeclaration') return node.id
  if (node.type === 'VariableDeclarator' && isFunction(node.init)) return node.id
  if (node.type === 'Property' && node.method === true) return node.key
  if (node.type === 'MethodDefinition' && node.kind !== 'constructor') return node.key
}

/** Every named function of the files, in order. */
export function namedFunctions(files: readonly SourceFile[]): NamedFunction[] {
  const found: NamedFunction[] = []
  for (const { path, text, program } of files)
    walkSyntax(program, (node) => {
      const id = nameNode(node)
      if (!isSyntaxNode(id) || typeof id.name !== 'string') return
      const line = text.slice(0, node.start).split('\n').length
      found.push({ name: id.name, path, line, lines: text.slice(node.start, node.end).split('\n').length })
    })
  return found
}

/** The words of a name in camelCase or with underscores: `readHTTPAnswer` has three. */
export const wordsOfName = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .split(/[ _$]+/)
    .filter((word) => word !== '')
