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

// What every reader of YAML refuses, whoever wrote it: the library would end the process over it, or never end.

/** Levels of nesting. Images use four; the library's recursion ends the process some hundreds deeper. */
const nestingLimit = 100;
/** Pieces that a document consists of for the parser, which needs some microseconds for each. Images have hundreds. */
const lexemeLimit = 50_000;
/** What all aliases together may multiply a document by; the library's own measure (`maxAliasCount`). */
export const aliasLimit = 100;

type Options = ParseOptions & DocumentOptions & SchemaOptions & { lineCounter?: LineCounter };

/** A text as a document: read its `errors` first. */
interface ParsedYaml {
  document: Document;
  /** In words, which alias is inside of what it stands for. */
  ring?: string;
}

/**
 * Parses a text, once it has shown itself to be one that can be parsed.
 * @returns the document; or in words what is too much of it
 */
export function parseYaml(text: string, options: Options): ParsedYaml | { excess: string } {
  const tokens = new Tokens(text, options.lineCounter);
  try {
    const [document, second] = new Composer(options).compose(tokens, true, text.length);
    if (document === undefined) throw new Error('the parser made no document');
    if (second !== undefined) {
      const [start, end] = second.range;
      document.errors.push(new YAMLParseError([start, end], 'MULTIPLE_DOCS', 'holds more than one document'));
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
 * The tokens of a text, from a parser that is stopped in time: it follows the nesting without recursion, and tells of a
 * document at its end, before the rest of the library goes down into it.
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
      if (lexemes > lexemeLimit) throw new Excess('has far more fields than such a file has');
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
 * Looks for an alias inside of what it stands for (`&a [*a]`). An alias stands for what comes before it, so there is
 * no other way to make a ring.
 * @returns in words which one, or undefined
 */
function findRing(document: Document): string | undefined {
  const anchors = new Map<string, Node>();
  let found: string | undefined;
  visit(document, {
    Node(_, node, path) {
      if (!isAlias(node)) {
        if (node.anchor !== undefined) anchors.set(node.anchor, node);
        return undefined;
      }
      if (!path.some((parent) => parent === anchors.get(node.source))) return undefined;
      found = `the alias *${node.source} is inside of what it stands for`;
      return visit.BREAK;
    },
  });
  return found;
}
