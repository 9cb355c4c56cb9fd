import { type Document, isAlias, Lexer, type Node, Parser, visit } from 'yaml';

// What every reader of YAML refuses, whoever wrote it: the library would end the process over it, or never end.

/** Levels of nesting. Images use four; the parser's recursion ends the process some hundreds deeper. */
const nestingLimit = 100;
/** Pieces that a document consists of for the parser, which needs some microseconds for each. Images have hundreds. */
const lexemeLimit = 50_000;
/** What all aliases together may multiply a document by; the library's own measure (`maxAliasCount`). */
export const aliasLimit = 100;

/**
 * Follows the nesting of a text without building the document, which would be recursive, and counts what it is made of.
 * @returns in words what is too much, or undefined
 */
export function findExcess(text: string): string | undefined {
  const parser = new Parser();
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1;
    if (lexemes > lexemeLimit) return 'has far more fields than such a file has';
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > nestingLimit) return `is nested more than ${nestingLimit} levels deep`;
  }
  return undefined;
}

/**
 * Looks for an alias inside of what it stands for (`&a [*a]`). An alias stands for what comes before it, so there is
 * no other way to make a ring.
 * @returns in words which one, or undefined
 */
export function findRing(document: Document): string | undefined {
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
