import { describe, expect, test, vi } from 'vitest';
import type { Known } from '../../../src/access/access.ts';
import type { Token } from '../../../src/catalog/identities/tokens.ts';
import { HeadwaterError } from '../../../src/errors.ts';
import { Operations } from '../../../src/registry/operations/operations.ts';

function known(name: string, actions: Token['actions'] = ['publish']): Known {
  return { kind: 'token', id: name, name, purpose: 'api', actions, createdAt: new Date() };
}

const [one, other, administrator] = [known('one'), known('other'), known('administrator', ['admin'])];

function create(onDefect: (error: unknown) => void = () => undefined): Operations {
  return new Operations({ location: 'here', onDefect });
}

const patience = new AbortController().signal;

describe('a task', () => {
  test('succeeds only when clients see what it changed', async () => {
    const steps: string[] = [];
    const visible = async () => {
      await new Promise((resolve) => setImmediate(resolve));
      steps.push('visible');
    };
    const operations = new Operations({ location: 'here', onDefect: () => undefined, visible });
    const work = async () => {
      steps.push('changed');
      return {};
    };
    const operation = operations.start({ description: 'Changing', resources: {}, identity: one, work });
    await operations.wait(operation, undefined, patience);
    expect([...steps, operation.view().status]).toEqual(['changed', 'visible', 'Success']);
  });

  test('runs without its client, and tells its result', async () => {
    const operations = create();
    const operation = operations.start({
      description: 'Counting',
      resources: { images: ['/1.0/images/a'] },
      identity: one,
      work: async (progress) => {
        progress.report({ download_progress: '50%' });
        return { size: '3' };
      },
    });
    expect(operation.view()).toMatchObject({ class: 'task', status: 'Running', status_code: 103 });
    await operations.wait(operation, undefined, patience);
    expect(operation.view()).toMatchObject({
      status: 'Success',
      status_code: 200,
      err: '',
      location: 'here',
      resources: { images: ['/1.0/images/a'] },
      metadata: { download_progress: '50%', size: '3' },
    });
  });

  test('that fails says why; a defect is logged and says nothing', async () => {
    const onDefect = vi.fn();
    const operations = create(onDefect);
    const fail = async (error: Error) => {
      const operation = operations.start({
        description: 'x',
        identity: one,
        work: () => Promise.reject(error),
      });
      await operations.wait(operation, undefined, patience);
      return operation.view();
    };
    expect(await fail(new HeadwaterError('no-space', 'the disk is full'))).toMatchObject({
      status_code: 400,
      err: 'the disk is full',
    });
    expect(onDefect).not.toHaveBeenCalled();
    expect((await fail(new Error('secret detail'))).err).not.toContain('secret detail');
    expect(onDefect).toHaveBeenCalledOnce();
  });

  test('that is cancelled hears it, and stays cancelled whatever it does', async () => {
    const operations = create();
    const operation = operations.start({
      description: 'x',
      identity: one,
      work: async ({ signal }) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        return {};
      },
    });
    operation.cancel();
    await operations.close();
    expect(operation.view()).toMatchObject({ status: 'Cancelled', status_code: 401, may_cancel: false });
  });
});

describe('waiting', () => {
  test('ends with the time or with the one who waits, and leaves the operation alone', async () => {
    const operations = create();
    const operation = operations.token({
      description: 'x',
      identity: one,
      metadata: { secret: 's' },
      lifetime: 60_000,
    });
    await operations.wait(operation, 1, patience);
    const gone = new AbortController();
    const waiting = operations.wait(operation, undefined, gone.signal);
    gone.abort();
    await waiting;
    expect(operation.ended).toBe(false);
    await operations.close();
  });
});

describe('a token', () => {
  test('is cancelled when its time is over, and its owner is told once', async () => {
    const operations = create();
    const onEnd = vi.fn();
    const operation = operations.token({
      description: 'x',
      identity: one,
      metadata: { secret: 's' },
      lifetime: 1,
      onEnd,
    });
    await operations.wait(operation, undefined, patience);
    operation.succeed({});
    expect(operation.view().status).toBe('Cancelled');
    expect(onEnd).toHaveBeenCalledOnce();
  });
});

describe('who may see an operation', () => {
  test('is who started it, an administrator, and whoever knows its secret', () => {
    const operations = create();
    const { id } = operations.token({
      description: 'x',
      identity: one,
      metadata: { secret: 's3cret' },
      lifetime: 1000,
    });
    for (const identity of [one, administrator]) expect(operations.demand(id, identity).id).toBe(id);
    expect(operations.demand(id, undefined, 's3cret').id).toBe(id);
    const strangers: [Known | undefined, string?][] = [
      [other],
      [undefined],
      [undefined, ''],
      [undefined, 's3cre'],
      [other, 's3creT'],
    ];
    for (const [identity, secret] of strangers) {
      expect(() => operations.demand(id, identity, secret)).toThrow('Operation not found');
    }
    expect(operations.list(other)).toEqual([]);
  });

  test('hears of its changes', async () => {
    const operations = create();
    const heard = new Map<Known, string[]>();
    for (const identity of [one, other, administrator]) {
      const frames: string[] = [];
      heard.set(identity, frames);
      operations.subscribe(identity, (frame) => frames.push(frame));
    }
    const operation = operations.start({ description: 'x', identity: one, work: async () => ({}) });
    await operations.wait(operation, undefined, patience);
    for (const identity of [one, administrator]) {
      const statuses = heard.get(identity)?.map((frame) => JSON.parse(frame).metadata.status);
      expect(statuses?.at(0)).toBe('Running');
      expect(statuses?.at(-1)).toBe('Success');
    }
    expect(heard.get(other)).toEqual([]);
  });
});

describe('what is kept', () => {
  test('an operation that ended is forgotten after a while', async () => {
    vi.useFakeTimers();
    try {
      const operations = create();
      const operation = operations.token({ description: 'x', identity: one, metadata: {}, lifetime: 1000 });
      operation.succeed({});
      vi.advanceTimersByTime(60_000);
      expect(operations.find(operation.id)).toBe(operation);
      vi.advanceTimersByTime(600_000);
      expect(operations.find(operation.id)).toBeUndefined();
    } finally {
      vi.useRealTimers();
    }
  });

  test('one client cannot have any number of operations; others are not affected', () => {
    const operations = create();
    const start = (identity: Known) =>
      operations.token({ description: 'x', identity, metadata: {}, lifetime: 60_000 });
    const started = Array.from({ length: 1000 }, () => start(one));
    expect(() => start(one)).toThrow(/1000 active operations/);
    expect(start(other).ended).toBe(false);
    // One that ended makes room.
    started[5]?.succeed({});
    expect(start(one).ended).toBe(false);
    expect(operations.find(started[5]?.id ?? '')).toBeUndefined();
  });
});
