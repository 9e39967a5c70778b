/**
 * runc's bats suite: shell tests of its command line. It calls $RUNC, downloads root file systems unless they are there, asks
 * Go for the architecture, and some tests want a controlling terminal. So it runs from a copy that has the images, with a
 * stand-in for go, below script(1).
 */
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { needProblem } from '../harness/host.js';
import { readText } from '../harness/lab.js';
import { type Adapter, type AdapterOptions, absent, runProgram } from './adapter.js';
import { resultsOf } from './tap.js';
import { ARCHITECTURE, makeTree, packTree } from './tree.js';

const TESTS = 'tests/integration';
/** A test's files are many; what one test leaves behind is told by the next, so each file has its own directory. */
/** Without it every test with a terminal would fail: where runc 1.3 has it, and older ones. */
const RECVTTY = ['tests/cmd/_bin/recvtty', 'tests/cmd/recvtty/recvtty', 'contrib/cmd/recvtty/recvtty'] as const;
const COMMANDS = ['bats', 'jq', 'gawk', 'script', 'tar', 'busybox'];

export const bats: Adapter = {
  place:
    'the directory of runc\'s sources after "make test-binaries" (1.1: "make recvtty sd-helper seccompagent"), with root file ' +
    'systems of your choice in tests/integration/testdata, or without: then busybox is used',
  missing: ({ place }) =>
    absent([join(place, TESTS, 'helpers.bash')], 'not the sources of runc') ??
    (RECVTTY.some((path) => existsSync(join(place, path)))
      ? undefined
      : `${join(place, RECVTTY[0])} is not there: its programs are to be made first`) ??
    COMMANDS.map((name) => needProblem(`command:${name}`)).find((problem) => problem !== undefined),
  async *run(options) {
    const { runtime, dir, wants, timeout } = options;
    const copy = copySuite(options);
    const bin = fakeGo(dir);
    const files = readdirSync(join(copy, TESTS)).filter((name) => name.endsWith('.bats'));
    for (const file of files.filter((name) => wants(name.replace(/\.bats$/, '')))) {
      const temporary = join(dir, `tmp-${file}`);
      mkdirSync(temporary);
      const env = {
        ...process.env,
        RUNC: runtime,
        PATH: `${bin}:${process.env['PATH']}`,
        TMPDIR: temporary,
        TERM: 'xterm',
      };
      const output = join(dir, `${file}.tap`);
      const command = `bats --tap '${join(copy, TESTS, file)}' >'${output}' 2>'${output}.err'`;
      const ended = await runProgram(['script', '--quiet', '--return', '--command', command, '/dev/null'], {
        ...{ cwd: copy, env, seconds: timeout, input: 'pipe' }, // the end of input would reach the terminal as a character
      });
      yield* resultsOf(file.replace(/\.bats$/, ''), {
        ...ended,
        stdout: readText(output),
        stderr: readText(`${output}.err`),
      });
    }
  },
};

/** What tests call in an image of Debian, and busybox has not, or not so. */
const OF_DEBIAN = ['bash', 'chrt', 'findmnt', 'ionice'];

/** The tests and their helper programs only; a suite is left as it was found. */
function copySuite({ place, dir }: AdapterOptions): string {
  const copy = join(dir, 'suite');
  for (const part of [TESTS, 'tests/cmd', 'contrib/cmd', 'script'])
    if (existsSync(join(place, part))) cpSync(join(place, part), join(copy, part), { recursive: true });
  const data = join(copy, TESTS, 'testdata');
  for (const name of ['busybox', 'debian']) {
    const image = join(data, `${name}-${ARCHITECTURE}.tar.xz`);
    if (existsSync(image)) continue;
    const tree = join(dir, `${name}-rootfs`);
    makeTree(tree, name === 'debian' ? OF_DEBIAN : []);
    packTree(tree, image);
  }
  return copy;
}

function fakeGo(dir: string): string {
  const path = join(dir, 'bin/go');
  mkdirSync(dirname(path));
  writeFileSync(path, `#!/bin/sh\n[ "$1 $2" = "env GOARCH" ] && echo ${ARCHITECTURE}\n`, { mode: 0o755 });
  return dirname(path);
}
