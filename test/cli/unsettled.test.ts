import { expect, test } from 'vitest';
import { attempt } from '../support/command.ts';

/** Runs a module that imports what is tested. */
async function run(body: string) {
  const module = new URL('../../src/cli/unsettled.ts', import.meta.url);
  const source = `import { untilSettled } from ${JSON.stringify(module.href)};\n${body}`;
  return await attempt(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', source]);
}

test('a process whose work never settles does not end as if it were done', async () => {
  const { code, stderr } = await run('void untilSettled(new Promise(() => {}), { json: true });');
  expect(code).toBe(1);
  expect(stderr).toContain('the command stopped before its work was finished');
  expect(stderr).toContain('"kind":"defect"');
});

test('a process with finished work ends with 0', async () => {
  const work = 'new Promise((resolve) => setTimeout(resolve, 10))';
  expect(await run(`void untilSettled(${work}, { json: false });`)).toMatchObject({ code: 0, stderr: '' });
});
