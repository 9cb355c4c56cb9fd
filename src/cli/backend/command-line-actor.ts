import { userInfo } from 'node:os';
import type { Actor } from '../../catalog/database/audit-record.ts';

/** Who works here, for the audit log. */
export function commandLineActor(): Actor {
  return { who: `local:${userName()}`, from: 'command line' };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // In a container the user may have a number only.
    return String(process.getuid?.());
  }
}
