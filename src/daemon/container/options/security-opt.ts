/** HostConfig.SecurityOpt, read: what create checks and the spec is made from. Pure. */
import { DEFAULT_MASKED_PATHS, DEFAULT_READONLY_PATHS } from '../../../bundle/container-defaults.js';
import { quote } from '../../../util/quote.js';
import type { HostConfig } from '../../api/types.gen.js';
import { refuse } from './refuse.js';

export interface SecurityOptions {
  readonly noNewPrivileges: boolean | undefined;
  /** JSON of a profile, 'unconfined', 'builtin', or undefined for the default. */
  readonly seccomp: string | undefined;
  readonly apparmor: string | undefined;
  readonly systemPathsUnconfined: boolean;
  readonly labels: readonly string[];
  readonly writableCgroups: boolean;
}

/** "name=value", and of old clients "name:value". Throws TsrunError REQUEST_INVALID. */
export function parseSecurityOpt(options: readonly string[]): SecurityOptions {
  const found = { ...NONE, labels: [] as string[] };
  for (const option of options) {
    if (option === 'no-new-privileges') found.noNewPrivileges = true;
    else if (option === 'disable') found.labels.push('disable');
    else readPair(option, found);
  }
  return found;
}

type Found = { -readonly [key in keyof SecurityOptions]: SecurityOptions[key] } & { labels: string[] };

const NONE: SecurityOptions = {
  noNewPrivileges: undefined,
  seccomp: undefined,
  apparmor: undefined,
  systemPathsUnconfined: false,
  labels: [],
  writableCgroups: false,
};

function readPair(option: string, found: Found): void {
  const match = /^([^=:]+)[=:]([\s\S]*)$/.exec(option);
  if (match === null) throw refuse(`invalid --security-opt: ${quote(option, 64)}`);
  const [, name = '', value = ''] = match;
  switch (name) {
    case 'no-new-privileges':
      found.noNewPrivileges = truth(option, value);
      return;
    case 'writable-cgroups':
      found.writableCgroups = truth(option, value);
      return;
    case 'seccomp':
      found.seccomp = value;
      return;
    case 'apparmor':
      found.apparmor = value;
      return;
    case 'label':
      found.labels.push(value);
      return;
    case 'systempaths':
      if (value !== 'unconfined') throw refuse(`invalid --security-opt: ${quote(option, 64)}: want unconfined`);
      found.systemPathsUnconfined = true;
      return;
    default:
      throw refuse(`invalid --security-opt 2: ${quote(option, 64)}`);
  }
}

function truth(option: string, value: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw refuse(`invalid --security-opt: ${quote(option, 64)}: want true or false`);
}

/** Masked and read-only, as inspect shows them: an empty list is none, an absent one the default. None of a privileged one. */
export function systemPaths(host: HostConfig): Pick<HostConfig, 'MaskedPaths' | 'ReadonlyPaths'> {
  if (host.Privileged === true) return {};
  if (parseSecurityOpt(host.SecurityOpt ?? []).systemPathsUnconfined) return { MaskedPaths: [], ReadonlyPaths: [] };
  return {
    MaskedPaths: host.MaskedPaths ?? [...DEFAULT_MASKED_PATHS],
    ReadonlyPaths: host.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS],
  };
}
