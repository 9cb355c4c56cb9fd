import { userInfo } from 'node:os';
import type { Actor } from '../../catalog/database/audit-record.ts';
import { unlimited } from '../../model/rights.ts';

/** The user of the command line, who may do everything. */
export function commandLineActor(): Actor {
  return { who: `local:${userName()}`, from: 'command line', permit: unlimited };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container the user may have a number only.
    return String(process.getuid?.());
  }
}
