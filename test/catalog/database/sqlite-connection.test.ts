import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Connection } from '../../../src/catalog/database/sqlite-connection.ts';

let directory: string;
let connection: Connection;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-connection-'));
  connection = new Connection(join(directory, 'catalog.db'), 1000);
  connection.prepare('create table things (name text)').run();
});
afterAll(async () => {
  connection.close();
  await rm(directory, { recursive: true });
});

describe('a connection', () => {
  test('prepares a text once, and uses it again', () => {
    const insert = connection.prepare('insert into things (name) values (?)');
    insert.run('one');
    expect(connection.prepare('insert into things (name) values (?)')).toBe(insert);
    connection.prepare('insert into things (name) values (?)').run('two');
    expect(connection.prepare('select count(*) as count from things').get()).toEqual({ count: 2 });
  });

  test('survives a failed statement', () => {
    expect(() => connection.prepare('select things from nowhere')).toThrow('no such table');
    expect(connection.prepare('select count(*) as count from things').get()).toEqual({ count: 2 });
  });

  test('tells when another connection has changed something', () => {
    const other = new Connection(join(directory, 'catalog.db'), 1000);
    try {
      const before = connection.dataVersion();
      expect(connection.dataVersion()).toBe(before);
      other.prepare('insert into things (name) values (?)').run('three');
      expect(connection.dataVersion()).not.toBe(before);
    } finally {
      other.close();
    }
  });
});
