// An unprivileged user of the tests' own: uid 1000 with the groups that are asked for and no capabilities, by a mount namespace
// in which /etc/passwd knows it as "walker" and /etc/subuid and /etc/subgid grant it 65536 ids from 100000. The machine's own
// files stay as they are.
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import { findLeaks } from './leaks.js';
import { copyRootfs } from './rootfs.js';
import { eventually, type Result, RUNTIME, runProgram } from './runtime.js';

const UID = 1000;
const ENTER = `for file in passwd subuid subgid; do mount --bind "$1/$file" "/etc/$file"; done
cd "$2"; groups=$3; shift 3
exec setpriv --reuid ${UID} --regid ${UID} "$groups" "$@"`;

export interface Config {
  // biome-ignore lint/suspicious/noExplicitAny: a config as a person writes it, wrong values included
  [key: string]: any;
}

export interface Walker {
  /** Its home, bundle and XDG_RUNTIME_DIR. */
  readonly home: string;
  /** Any command as walker. */
  as(argv: readonly string[], env?: { readonly [name: string]: string }, timeout?: number): Result;
  /** The runtime as walker. */
  run(...args: string[]): Result;
  /** `spec --rootless`, changed. Writes it as the bundle's config.json. */
  config(args: readonly string[], edit?: (config: Config) => void): void;
  id(): string;
}

let counter = 0;

export function walker(t: Test, groups: readonly number[] = []): Walker {
  const home = mkdtempSync(join(tmpdir(), 'tsrun-test-'));
  const etc = join(home, 'etc');
  mkdirSync(etc);
  const passwd = readFileSync('/etc/passwd', 'utf8').replace(/^[^:]*:[^:]*:1000:.*\n/m, '');
  writeFileSync(join(etc, 'passwd'), `${passwd}walker:x:${UID}:${UID}::/:/bin/sh\n`);
  for (const file of ['subuid', 'subgid']) writeFileSync(join(etc, file), 'walker:100000:65536\n');
  copyRootfs(join(home, 'rootfs'));
  spawnSync('chown', ['-R', `${UID}:${UID}`, join(home, 'rootfs')]);
  chownSync(home, UID, UID);
  chmodSync(home, 0o711);
  const ids: string[] = [];
  const member = groups.length === 0 ? '--clear-groups' : `--groups=${groups.join()}`;
  const as: Walker['as'] = (argv, env = {}, timeout) => {
    const variables = { USER: 'walker', HOME: home, XDG_RUNTIME_DIR: home, TSRUN_TEST: basename(home), ...env };
    const args = ['--mount', '--propagation=private', 'sh', '-ec', ENTER, 'sh', etc, home, member, ...argv];
    return runProgram('unshare', args, '/tmp', { env: variables, ...(timeout === undefined ? {} : { timeout }) });
  };
  const run = (...args: string[]) => as([RUNTIME, ...args]);
  t.teardown(() => {
    for (const id of ids) run('delete', '--force', id);
    if (!eventually(() => findLeaks(basename(home), ids).length === 0))
      throw new Error(`left on the host:\n${findLeaks(basename(home), ids).join('\n')}`);
    rmSync(home, { recursive: true, force: true });
  });
  return {
    home,
    as,
    run,
    config: (args, edit) => {
      rmSync(join(home, 'config.json'), { force: true });
      const made = run('spec', '--rootless');
      if (made.status !== 0) throw new Error(made.stderr);
      const config: Config = JSON.parse(readFileSync(join(home, 'config.json'), 'utf8'));
      config['process'].terminal = false;
      config['process'].args = args;
      config['process'].env.push(`TSRUN_TEST=${basename(home)}`);
      edit?.(config);
      writeFileSync(join(home, 'config.json'), JSON.stringify(config, null, 2));
    },
    id: () => {
      const name = `${basename(home)}-${++counter}`;
      ids.push(name);
      return name;
    },
  };
}
