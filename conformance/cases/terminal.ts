/** config.md, "Process": terminal and consoleSize; config-linux.md, "Default Devices": /dev/console. */
import { join } from 'node:path';
import { must, same } from '../harness/check.js';
import { startHelper } from '../harness/helper.js';
import { type Lab, parseObject, readText, succeeded } from '../harness/lab.js';
import type { Answer, Script } from '../harness/model.js';
import { once } from '../harness/once.js';
import { eventually } from '../harness/runtime.js';

const ASKS = ['tty|0', 'tty|1', 'tty|2', 'stat|/dev/console', 'io|/dev/console|w', 'follow|/dev/pts/0'];

/** What the probe wrote to the terminal; the console socket is what runtimes hand the other end over. */
async function onTerminal(lab: Lab): Promise<readonly Answer[]> {
  const socket = join(lab.dir, 'console.sock');
  const output = join(lab.dir, 'terminal');
  await startHelper(lab, ['console', socket, output]);
  lab.configure(ASKS, { '/process/terminal': true, '/process/consoleSize': { height: 37, width: 113 } });
  succeeded(await lab.create({ extra: ['--console-socket', socket] }), 'create');
  succeeded(await lab.start(), 'start');
  // What is written to /dev/console comes over the same terminal, before a line or behind it.
  const lines = (): string[] => readText(output).match(/\{.*\}/g) ?? [];
  must(await eventually(() => lines().some((line) => line.includes('"end"'))), 'nothing came over the terminal');
  return lines().map(parseObject);
}

const script = (id: string, requirement: string, check: (answers: readonly Answer[]) => void): Script<Lab> => ({
  ...{ id, requirement },
  run: async (lab) => check(await once(lab, 'terminal', () => onTerminal(lab))),
});

export const terminalScripts: readonly Script<Lab>[] = [
  script('terminal.streams', 'process.terminal', (answers) => {
    for (const fd of [0, 1, 2]) same(answers[fd]?.['tty'], 1, `descriptor ${fd} is a terminal: that`);
  }),
  script('terminal.same', 'process.terminal', (answers) => {
    for (const fd of [1, 2]) same(answers[fd]?.['rdev'], answers[0]?.['rdev'], `the terminal of descriptor ${fd}`);
  }),
  script('terminal.size', 'process.console-size', ([stdin]) => {
    same([stdin?.['rows'], stdin?.['columns']], [37, 113], 'rows and columns');
  }),
  script('terminal.console', 'devices.console', (answers) => {
    same(answers[3]?.['type'], 'c', 'the type of /dev/console');
    same(answers[4]?.['ok'], 1, 'bytes that can be written to /dev/console');
  }),
  script('terminal.console-is-the-terminal', 'devices.console', (answers) => {
    const { major, minor } = answers[3] ?? {};
    same([major, minor], [answers[5]?.['major'], answers[5]?.['minor']], 'the device of /dev/console');
  }),
];
