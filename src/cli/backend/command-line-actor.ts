import { userInfo } from 'node:os';
import type { Actor } from '../../catalog/database/audit-record.ts';
import { unlimited } from '../../model/rights.ts';

/** The user of the command line, with all rights; the audit log shows the name. */
export function commandLineActor(): Actor {
  return { who: `local:${userName()}`, from: 'command line', permit: unlimited };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container, the user may have no name.
    return String(process.getuid?.());
  }
}
