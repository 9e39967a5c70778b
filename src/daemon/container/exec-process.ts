/** The process of an exec: the container's own, with what the request changes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readDocument } from '../../spec/read.js';
import type { Config, LinuxCapabilities, Process } from '../../spec/types.gen.js';
import { CAPABILITIES } from '../../util/linux-names.js';
import type { ExecCreate } from '../api/types.gen.js';
import { ApiError, badRequest } from '../http/api-error.js';
import type { Container } from './container.js';
import { userOf } from './spec/process.js';

/** size: height and width. Throws ApiError. */
export async function execProcess(
  container: Container,
  config: ExecCreate,
  size: readonly number[] | undefined,
): Promise<Process> {
  const { consoleSize: _, ...base } = baseProcess(container);
  const user = config.User ?? '';
  const account = user === '' ? undefined : await container.needs.surroundings.account(container.record, user);
  const home = account === undefined || definesHome(container) ? [] : [`HOME=${account.home}`];
  const capabilities = capabilitiesOf(base, config.Privileged === true, account?.uid);
  return {
    ...base,
    args: [...(config.Cmd ?? [])],
    cwd: workingDir(config.WorkingDir) ?? base.cwd,
    env: merge([...environmentOf(container, base, config.Tty === true), ...home, ...(config.Env ?? [])]),
    terminal: config.Tty === true,
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(account === undefined ? {} : { user: { ...base.user, ...userOf(account) } }),
    ...(config.Tty === true && size !== undefined
      ? { consoleSize: { height: size[0] ?? 0, width: size[1] ?? 0 } }
      : {}),
  };
}

/** As it was at the start. */
function baseProcess({ needs, id }: Container): Process {
  const bytes = readFileSync(join(needs.directory, id, 'config.json'));
  const config = readDocument(bytes, 'config.json').value as Config; // we wrote it
  if (config.process === undefined) throw new ApiError(500, `the config of container ${id} has no process`);
  return config.process;
}

/** TERM tells of the terminal of this process: the container's own, which nobody set, is not inherited. */
function environmentOf({ record: { config } }: Container, { env = [] }: Process, terminal: boolean): string[] {
  if (terminal) return ['TERM=xterm', ...env];
  const isSet = config.Tty !== true || (config.Env ?? []).some((one) => one.startsWith('TERM='));
  return isSet ? [...env] : env.filter((one) => !one.startsWith('TERM='));
}

const definesHome = ({ record }: Container): boolean =>
  (record.config.Env ?? []).some((one) => one.startsWith('HOME='));

function workingDir(path: string | undefined): string | undefined {
  if (path === undefined || path === '') return undefined;
  if (path.startsWith('/')) return path;
  throw badRequest(`Cwd must be an absolute path: ${path}`);
}

/** Later ones replace earlier ones of the same name. */
function merge(entries: readonly string[]): string[] {
  const found = new Map(entries.filter((one) => one.includes('=')).map((one) => [one.slice(0, one.indexOf('=')), one]));
  return [...found.values()];
}

function capabilitiesOf(base: Process, privileged: boolean, uid: number | undefined): LinuxCapabilities | undefined {
  if (privileged) {
    const all = [...CAPABILITIES];
    return { bounding: all, effective: all, permitted: all };
  }
  const bounding = base.capabilities?.bounding;
  if (uid === undefined || bounding === undefined) return base.capabilities;
  // Root has what the container may have at all; others only what a setuid program would get.
  const held = uid === 0 ? bounding : [];
  return { bounding, effective: held, permitted: held };
}
