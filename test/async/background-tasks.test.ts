import { expect, test } from 'vitest';
import { BackgroundTasks } from '../../src/async/background-tasks.ts';

test('a shutdown waits for all tasks, also for those that others add, and failures are told', async () => {
  const errors: unknown[] = [];
  const tasks = new BackgroundTasks((error) => errors.push(error));
  const ended: string[] = [];
  const task = async (name: string) => {
    await new Promise((resolve) => setImmediate(resolve));
    if (name === 'first') tasks.add(task('added'));
    ended.push(name);
    if (name === 'failing') throw new Error('broken');
  };
  tasks.add(task('first'));
  tasks.add(task('failing'));
  await tasks.done();
  expect(ended).toEqual(['first', 'failing', 'added']);
  expect(errors).toEqual([new Error('broken')]);
});
