import {
  Composer,
  type CST,
  type Document,
  type DocumentOptions,
  isAlias,
  Lexer,
  type LineCounter,
  type Node,
  type ParseOptions,
  Parser,
  type SchemaOptions,
  visit,
  YAMLParseError,
} from 'yaml';
import { defined } from './model/defined.ts';

// Limits for all YAML. Without them, hostile documents crash the library or make it run for ever.

/** Levels of nesting. Images use four; the library's recursion overflows the stack some hundreds deeper. */
const nestingLimit = 100;
/** Tokens of a document, each of which takes the parser some microseconds. Images have hundreds. */
const lexemeLimit = 50_000;
/** The factor by which aliases may expand a document; the library's own measure (`maxAliasCount`). */
export const aliasLimit = 100;

type Options = ParseOptions & DocumentOptions & SchemaOptions & { lineCounter?: LineCounter };

/** A parsed document: check its `errors` first. */
interface ParsedYaml {
  document: Document;
  /** A message that names an alias which contains itself. */
  ring?: string;
}

/**
 * Parses a text within limits.
 * @returns the document, or a message about the exceeded limit
 */
export function parseYaml(text: string, options: Options): ParsedYaml | { excess: string } {
  const tokens = new Tokens(text, options.lineCounter);
  try {
    const [document, second] = new Composer(options).compose(tokens, true, text.length);
    if (document === undefined) throw new Error('the parser made no document');
    if (second !== undefined) {
      const [start, end] = second.range;
      document.errors.push(
        new YAMLParseError([start, end], 'MULTIPLE_DOCS', 'contains more than one document'),
      );
    }
    const ring = tokens.hasAliases ? findRing(document) : undefined;
    return { document, ...defined({ ring }) };
  } catch (error) {
    if (error instanceof Excess) return { excess: error.message };
    throw error;
  }
}

class Excess extends Error {}

/**
 * The tokens of a text. The parser follows the nesting without recursion, so that the limits apply before the recursive
 * parts of the library see the document.
 */
class Tokens implements Iterable<CST.Token> {
  readonly #text: string;
  readonly #onNewLine: ((offset: number) => void) | undefined;
  hasAliases = false;

  constructor(text: string, lineCounter: LineCounter | undefined) {
    this.#text = text;
    this.#onNewLine = lineCounter?.addNewLine;
  }

  *[Symbol.iterator](): Generator<CST.Token> {
    const parser = new Parser(this.#onNewLine);
    this.#onNewLine?.(0);
    let lexemes = 0;
    for (const lexeme of new Lexer().lex(this.#text)) {
      lexemes += 1;
      if (lexemes > lexemeLimit) throw new Excess('has too many fields for such a file');
      if (lexeme.startsWith('*')) this.hasAliases = true;
      yield* parser.next(lexeme);
      if (parser.stack.length > nestingLimit) {
        throw new Excess(`is nested more than ${nestingLimit} levels deep`);
      }
    }
    yield* parser.end();
  }
}

/**
 * Finds an alias inside its own anchor (`&a [*a]`). An alias refers to an earlier node, so this is the only way to make a
 * cycle.
 * @returns a message that names it, or undefined
 */
function findRing(document: Document): string | undefined {
  const anchors = new Map<string, Node>();
  let message: string | undefined;
  visit(document, {
    Node(_, node, path) {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return undefined;
      }
      if (!path.some((parent) => parent === anchors.get(node.source))) return undefined;
      message = `the alias *${node.source} contains itself`;
      return visit.BREAK;
    },
  });
  return message;
}
