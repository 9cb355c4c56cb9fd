import * as z from 'zod';
import { defined } from '../../model/defined.ts';
import { actions, type Rights } from '../../model/rights.ts';
import { jsonColumn } from '../database/checked-column.ts';

/** Rights as columns of a table. */
interface RightsColumns {
  actions: string;
  streams: string | null;
  names: string | null;
}

/** A table of those who have rights. */
type Holders = 'tokens' | 'clients';

const columns = { tokens: columnsOf('tokens'), clients: columnsOf('clients') };

function columnsOf(table: Holders) {
  return {
    actions: jsonColumn(`${table}.actions`, z.array(z.enum(actions))),
    streams: jsonColumn(`${table}.streams`, z.array(z.string())),
    names: jsonColumn(`${table}.names`, z.array(z.string())),
  };
}

export function toColumns({ actions: allowed, streams, names }: Rights): RightsColumns {
  return {
    actions: JSON.stringify(allowed),
    streams: streams === undefined ? null : JSON.stringify(streams),
    names: names === undefined ? null : JSON.stringify(names),
  };
}

export function toRights(table: Holders, row: RightsColumns & { id: string }): Rights {
  const read = columns[table];
  return {
    actions: read.actions(row.actions, row.id),
    ...defined({ streams: read.streams(row.streams, row.id), names: read.names(row.names, row.id) }),
  };
}

/** The streams that a token or a client is for; undefined when it is for all. */
export function grantedStreams(
  table: Holders,
  row: Pick<RightsColumns, 'streams'> & { id: string },
): string[] | undefined {
  return columns[table].streams(row.streams, row.id);
}
