import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** A block of commands on a page. */
export interface CommandBlock {
  /** The title of the section that it is in. */
  section: string;
  commands: string;
}

/** The blocks of shell commands on a page of the documentation, in their order. */
export async function documentedCommands(page: string): Promise<CommandBlock[]> {
  const text = await readFile(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  const blocks: CommandBlock[] = [];
  let section = '';
  for (const [, title, commands] of text.matchAll(/^## (.*)$|^```sh\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) section = title;
    else if (commands !== undefined) blocks.push({ section, commands });
  }
  return blocks;
}

/** The blocks of settings on a page, by the file that their first line names. */
export async function documentedSettings(page: string): Promise<Map<string, string>> {
  const text = await readFile(fileURLToPath(new URL(`../../docs/${page}`, import.meta.url)), 'utf8');
  const blocks = [...text.matchAll(/^```yaml\n# (\S+)\n([\s\S]*?)^```$/gm)];
  return new Map(blocks.map(([, file = '', settings = '']) => [file, settings]));
}
