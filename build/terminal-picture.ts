// Makes docs/terminal.svg: what a terminal shows of a real run with LXD. Usage, as root: npm run picture
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Headwater, program } from '../test/e2e/headwater.ts';
import { run } from '../test/support/command.ts';
import {
  clientEnvironment,
  clients,
  startDaemons,
  stopDaemons,
  trustedTls,
} from '../test/support/daemons.ts';
import { debianImages } from '../test/support/images.ts';

const commands = [
  'headwater publish rootfs.tar.gz',
  'headwater list',
  'lxc image list headwater: -c lat',
  'lxc launch headwater:debian/bookworm web',
  'lxc exec web -- grep PRETTY /etc/os-release',
];

const [characterWidth, lineHeight, margin, titleHeight] = [8.43, 19, 18, 34];
const longestLine = 112;

const [images] = await Promise.all([debianImages(), startDaemons()]);
const directory = await mkdtemp(join(tmpdir(), 'headwater-picture-'));
const headwater = await Headwater.create({ tls: trustedTls });
const [lxd] = clients;
try {
  await headwater.start(trustedTls.certificate);
  await copyFile(join(images, 'bare/debian.tar.gz'), join(directory, 'rootfs.tar.gz'));
  await lxd?.addRemote('headwater', headwater.url);
  await writeFile('docs/terminal.svg', picture(await record()));
} finally {
  await lxd?.run('delete', '--force', 'web').catch(() => undefined);
  await headwater.remove();
  await stopDaemons();
  await rm(directory, { recursive: true });
}

/** The lines of the screen after the commands. */
async function record(): Promise<string[]> {
  const programs = join(directory, 'bin');
  await mkdir(programs);
  const start = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@" --data-dir '${headwater.dataDirectory}'\n`;
  await writeFile(join(programs, 'headwater'), start, { mode: 0o755 });
  const env = { ...clientEnvironment, PATH: `${programs}:${process.env['PATH']}` };
  const lines: string[] = [];
  for (const command of commands) {
    const output = await run('bash', ['-c', command], { cwd: directory, env });
    lines.push(`$ ${command}`, ...output.trimEnd().split('\n').map(lastState), '');
  }
  return lines.slice(0, -1);
}

/** What is left of a line that was written over, as progress is. */
function lastState(line: string): string {
  return (
    line
      .split('\r')
      .filter((part) => part !== '')
      .at(-1) ?? ''
  ).slice(0, longestLine);
}

function picture(lines: string[]): string {
  const width = Math.ceil(Math.max(...lines.map((line) => line.length)) * characterWidth + 2 * margin);
  const height = titleHeight + lines.length * lineHeight + margin;
  const texts = lines.map((line, index) => {
    const y = titleHeight + margin / 2 + (index + 0.5) * lineHeight;
    const fill = line.startsWith('$ ') ? '#7ee787' : '#e6edf3';
    return `<text x="${margin}" y="${y}" fill="${fill}" xml:space="preserve">${escapeXml(line)}</text>`;
  });
  const dots = ['#ff5f57', '#febc2e', '#28c840'].map(
    (fill, index) => `<circle cx="${margin + 4 + index * 20}" cy="${titleHeight / 2}" r="6" fill="${fill}"/>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
<title>Publish a root filesystem, list it, launch it with LXD</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${[...dots, ...texts].join('\n')}
</svg>
`;
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
