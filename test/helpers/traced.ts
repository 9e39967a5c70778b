// A copy of tsrun whose executor starts through a script: under strace, to see or to fail the system calls of the part
// that makes containers and of no other, or with something open. The launcher of the copy carries out nothing itself. The
// checkout stays as it is.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { needCommand, type Skip, skipUnless } from './host.js';
import { eventually, IS_TSRUN, RUNTIME, type Sandbox } from './runtime.js';

export function needTsrun(): Skip {
  return IS_TSRUN ? false : 'needs the executor of tsrun';
}

export function needStrace(): Skip {
  return skipUnless(needTsrun(), needCommand('strace'));
}

/** The copy's command. script: of sh, without an environment; "$executor" is the original, "$@" its arguments. */
export function wrapped(box: Sandbox, script: string): string {
  const home = join(box.directory, 'wrapped');
  const original = dirname(dirname(RUNTIME));
  const release = join(home, 'build/Release');
  if (!existsSync(home)) {
    mkdirSync(release, { recursive: true });
    for (const name of ['bin', 'dist']) cpSync(join(original, name), join(home, name), { recursive: true });
    symlinkSync(join(original, 'build/Release/tsrun.node'), join(release, 'tsrun.node'));
    renameSync(join(home, 'bin/tsrun'), join(home, 'bin/launcher'));
    const launcher = `TSRUN_LAUNCHER=node exec '${home}/bin/launcher' "$@"`;
    writeFileSync(join(home, 'bin/tsrun'), `#!/bin/sh\n${launcher}\n`, { mode: 0o755 });
  }
  const executor = join(original, 'build/Release/tsrun-executor');
  writeFileSync(join(release, 'tsrun-executor'), `#!/bin/sh\nexecutor='${executor}'\n${script}\n`, { mode: 0o755 });
  return join(home, 'bin/tsrun');
}

export interface Traced {
  readonly runtime: string;
  /** What strace wrote since the last call. */
  log(): string;
}

/** options: of strace, beside -f and -o. */
export function traced(box: Sandbox, options: readonly string[]): Traced {
  const log = join(box.directory, 'strace.log');
  // -D: the executor stays a child of its caller, and ends when it ends, not when the container does.
  const words = [...options, '-D', '-f', '-A', '-o', log].map((word) => `'${word}'`);
  return {
    runtime: wrapped(box, `exec /usr/bin/strace ${words.join(' ')} "$executor" "$@"`),
    log: () => {
      if (!existsSync(log)) return '';
      let size = -1;
      eventually(() => {
        const before = size;
        size = statSync(log).size;
        return size === before;
      }, 5000);
      const text = readFileSync(log, 'latin1');
      rmSync(log);
      return text;
    },
  };
}
