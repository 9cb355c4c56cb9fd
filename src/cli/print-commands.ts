import { Option } from 'commander';
import { type ClientName, clientNames, commandsFor, type UsedVersion } from './view/client-commands.ts';
import type { Output } from './view/output.ts';
import { shownName } from './view/version-view.ts';

/** The option `--for` of `show` and `list`. */
export function forOption(): Option {
  return new Option('--for <client>', 'print the commands with which a client uses the versions').choices(
    clientNames,
  );
}

/** Prints the commands of a client for versions: the steps for the client once, then a command for each version. */
export function printCommands(
  client: ClientName,
  versions: readonly UsedVersion[],
  { output, json }: { output: Output; json: boolean },
): void {
  const all = versions.map((used) => ({ used, ...commandsFor(client, used) }));
  if (json) {
    output.json(
      all.map(({ used: { version }, setup, use }) => ({
        ...{ product: version.product, serial: version.serial, stream: version.stream },
        ...{ setup, ...use },
      })),
    );
    return;
  }
  const lines = all.flatMap(({ use }) => ('command' in use ? [use.command] : []));
  const setup = [...new Set(all.flatMap((each) => ('command' in each.use ? each.setup : [])))];
  if (lines.length > 0) output.line([...setup, ...lines].join('\n'));
  for (const { used, use } of all) {
    if ('reason' in use)
      output.note(`${shownName(used.version)} ${used.version.serial} is not for ${client}: ${use.reason}`);
  }
}
