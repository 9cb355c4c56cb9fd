// The syntax of pongo2 (https://github.com/flosch/pongo2), the language of templates in LXD and Incus, as far as a fault is
// one in every version of it: its lexer.go, parser.go and tags_*.go. Expressions and filters are not looked at.

/** Tags that begin a block: the tag that ends it, and those that divide it. */
const blocks: Readonly<Record<string, { end: string; dividers: readonly string[] }>> = {
  autoescape: { end: 'endautoescape', dividers: [] },
  block: { end: 'endblock', dividers: [] },
  comment: { end: 'endcomment', dividers: [] },
  filter: { end: 'endfilter', dividers: [] },
  for: { end: 'endfor', dividers: ['empty'] },
  if: { end: 'endif', dividers: ['elif', 'else'] },
  ifchanged: { end: 'endifchanged', dividers: ['else'] },
  ifequal: { end: 'endifequal', dividers: ['else'] },
  ifnotequal: { end: 'endifnotequal', dividers: ['else'] },
  macro: { end: 'endmacro', dividers: [] },
  spaceless: { end: 'endspaceless', dividers: [] },
  with: { end: 'endwith', dividers: [] },
};

/** Tags without an end. */
const single = new Set([
  ...['cycle', 'extends', 'firstof', 'import', 'include', 'lorem', 'now', 'set', 'ssi'],
  ...['templatetag', 'widthratio'],
]);

/** What begins something else than text. The tag `verbatim` is known in this spelling only. */
const opening = /\{% verbatim %\}|\{#|\{\{|\{%/g;
/**
 * Describes the first fault of a template that keeps the daemons from reading it.
 * @returns undefined if there is none that is a fault in every version of the daemons
 */
export function templateSyntaxFault(text: string): string | undefined {
  const open: string[] = [];
  opening.lastIndex = 0;
  for (let found = opening.exec(text); found !== null; found = opening.exec(text)) {
    const at = found.index;
    const fault = (problem: string) => `line ${lineOf(text, at)}: ${problem}`;
    const [token] = found;
    if (token === '{% verbatim %}' || token === '{#') {
      const closing = token === '{#' ? '#}' : '{% endverbatim %}';
      const end = text.indexOf(closing, opening.lastIndex);
      if (end < 0) return fault(`${token} without ${closing}`);
      opening.lastIndex = end + closing.length;
      continue;
    }
    const closing = token === '{{' ? '}}' : '%}';
    const end = endOfCode(text, opening.lastIndex);
    if (!text.startsWith(closing, end)) return fault(`${token} without ${closing}`);
    const content = text.slice(opening.lastIndex, end);
    opening.lastIndex = end + closing.length;
    const problem = token === '{%' ? enterTag(content, open) : variableFault(content, open);
    if (problem !== undefined) return fault(problem);
  }
  const last = open.at(-1);
  return last === undefined ? undefined : `{% ${last} %} without {% ${blocks[last]?.end} %}`;
}

/** The place of the next `}}` or `%}` that is not within a string; the end of the text without one. */
function endOfCode(text: string, from: number): number {
  let quote = '';
  for (let at = from; at < text.length; at++) {
    const character = text.charAt(at);
    if (quote !== '') {
      if (character === '\\') at++;
      else if (character === quote) quote = '';
    } else if (character === '"' || character === "'") quote = character;
    else if ((character === '}' || character === '%') && text.charAt(at + 1) === '}') return at;
  }
  return text.length;
}

function variableFault(content: string, open: readonly string[]): string | undefined {
  return open.at(-1) !== 'comment' && /^-?\s*-?$/.test(content) ? '{{ }} without an expression' : undefined;
}

/** @param open the blocks that the tag is in, the innermost last; the tag may begin or end one */
function enterTag(content: string, open: string[]): string | undefined {
  const name = /^-?[ \t\r\n]*([A-Za-z_]\w*)/.exec(content)?.[1];
  const inner = open.at(-1);
  const block = inner === undefined ? undefined : blocks[inner];
  if (name !== undefined && name === block?.end) {
    open.pop();
    return undefined;
  }
  if (inner === 'comment') return undefined;
  if (name === undefined) return '{% %} without the name of a tag';
  if (Object.hasOwn(blocks, name)) {
    open.push(name);
    return undefined;
  }
  if (single.has(name) || block?.dividers.includes(name) === true) return undefined;
  return inner === undefined
    ? `{% ${name} %} is no tag, or has no beginning`
    : `{% ${name} %} is no tag within {% ${inner} %}`;
}

function lineOf(text: string, at: number): number {
  let line = 1;
  for (let next = text.indexOf('\n'); next >= 0 && next < at; next = text.indexOf('\n', next + 1)) line += 1;
  return line;
}
