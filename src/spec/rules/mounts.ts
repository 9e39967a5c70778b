/**
 * Rules of the mounts (runtime-spec config.md, "Mounts").
 *
 * Pure.
 */
import { type IdRange, isIdMapOption, parseIdMapOption } from '../../util/idmap-option.js';
import { MOUNT_OPTIONS, PROPAGATIONS } from '../../util/linux-names.js';
import { quote } from '../../util/quote.js';
import { didYouMean } from '../../util/suggest.js';
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, Mount } from '../types.gen.js';
import { idMappings, inRoot, NAMESPACES, namespaceOf, notEmptyPath } from './common.js';

/** Files in /proc that system container tools (lxcfs) replace; any other mount there could mislead the runtime. */
const PROC_FILES: readonly string[] = [
  '/proc/cpuinfo',
  '/proc/diskstats',
  '/proc/meminfo',
  '/proc/stat',
  '/proc/swaps',
  '/proc/uptime',
  '/proc/loadavg',
  '/proc/slabinfo',
  '/proc/sys/kernel/ns_last_pid',
  '/proc/sys/crypto/fips_enabled',
];

const KNOWN: ReadonlySet<string> = new Set(MOUNT_OPTIONS);
const PROPAGATION: ReadonlySet<string> = new Set(PROPAGATIONS);

const rule = rulesOf<Config>();

const has = ({ options = [] }: Mount, ...names: readonly string[]) => options.some((option) => names.includes(option));
const isBind = (mount: Mount) => has(mount, 'bind', 'rbind');
/** Only changes an existing mount: needs neither type nor source. */
const isChange = (mount: Mount) => !isBind(mount) && has(mount, 'remount');

function destination(mount: Mount, on: Site<Config>): void {
  const path = mount.destination;
  if (!notEmptyPath(path, on, '/destination')) return;
  if (!path.startsWith('/')) {
    on.warn('NOT_ABSOLUTE', '/destination', 'is not absolute and is taken as relative to "/"');
  }
  if (path.split('/').includes('..'))
    on.warn('DOT_DOT', '/destination', `leads through ".."; ${quote(inRoot(path))} is used`);
  if (inRoot(path) === '/' && !isChange(mount)) {
    on.error('IS_ROOT', '/destination', 'must not be the root file system itself', {
      hint: 'change root.path instead',
    });
  }
}

function besideProc(mount: Mount, on: Site<Config>): void {
  const path = inRoot(mount.destination);
  if (path === '/proc') {
    if (mount.type === 'proc' || isBind(mount) || isChange(mount)) return;
    on.error('INSIDE_PROC', '/destination', 'only a file system of type proc can be mounted on /proc');
  } else if (path.startsWith('/proc/') && !PROC_FILES.includes(path)) {
    on.error('INSIDE_PROC', '/destination', 'cannot be mounted because it is inside /proc');
  }
}

function typeAndSource(mount: Mount, on: Site<Config>): void {
  if (isBind(mount)) {
    if ((mount.source ?? '') === '') on.error('REQUIRED', '/source', 'is required for a bind mount');
    else notEmptyPath(mount.source ?? '', on, '/source');
  } else if (mount.type === 'bind') {
    const hint = 'add "bind" or "rbind" to its options; the type alone does not make a bind mount';
    on.error('BIND_WITHOUT_OPTION', '/type', 'is no file system type (no such device)', { hint });
  } else if ((mount.type ?? '') === '' && !has(mount, 'remount', ...PROPAGATIONS)) {
    on.error('REQUIRED', '/type', 'is required for a mount that is no bind mount', {
      hint: 'or add "bind" to its options',
    });
  }
}

/** A word that is no flag goes to the file system as data; a bind mount has no file system of its own to take it. */
function knownOptions(mount: Mount, on: Site<Config>): void {
  for (const [index, option] of (mount.options ?? []).entries()) {
    if (KNOWN.has(option) || isIdMapOption(option)) continue;
    const hint = option.includes('=') ? undefined : didYouMean(option, MOUNT_OPTIONS);
    if (isBind(mount)) {
      const message = 'bind mounts cannot have any filesystem-specific options applied';
      on.error('UNKNOWN_OPTION', `/options/${index}`, message, { hint });
    } else if (option === '') {
      on.error('EMPTY', `/options/${index}`, 'must not be empty');
    } else if (hint !== undefined) {
      on.warn('UNKNOWN_OPTION', `/options/${index}`, 'is no mount flag and goes to the file system as data', { hint });
    }
  }
}

function contradictions({ options = [] }: Mount, on: Site<Config>): void {
  const seen = new Map<string, string>();
  for (const [index, option] of options.entries()) {
    const about = subject(option);
    if (about === undefined) continue;
    const other = seen.get(about);
    if (other !== undefined && other !== option) {
      on.warn('CONTRADICTION', `/options/${index}`, `contradicts "${other}"; the last one counts`);
    }
    seen.set(about, option);
  }
}

/** What an option decides: the same for `exec` and `noexec`, for `ro` and `rw`, for every propagation. */
function subject(option: string): string | undefined {
  if (!KNOWN.has(option)) return undefined;
  if (PROPAGATION.has(option)) return 'propagation';
  if (option === 'ro' || option === 'rw' || option === 'rro' || option === 'rrw') return option.slice(0, -1);
  const positive = option.replace(/^(r?)no(?!$)/, '$1');
  return KNOWN.has(positive) ? positive : option;
}

/** config.md: the mapping of the mount, else that of the container's user namespace, else an error. */
function idmap(mount: Mount, on: Site<Config>): void {
  const uids = mount.uidMappings?.length ?? 0;
  const gids = mount.gidMappings?.length ?? 0;
  const index = (mount.options ?? []).findLastIndex(isIdMapOption);
  if (uids > 0 !== gids > 0) {
    const at = uids > 0 ? '/gidMappings' : '/uidMappings';
    on.error('MAPPINGS_INCOMPLETE', at, 'id-mapped mounts must have both uid and gid mappings specified');
  } else if (index >= 0) {
    idmapOption(mount, index, on);
  }
  if (isChange(mount) && (index >= 0 || uids > 0)) {
    on.error('IDMAP_REMOUNT', index >= 0 ? `/options/${index}` : '/uidMappings', 'cannot change an existing mount');
  }
}

function idmapOption(mount: Mount, index: number, on: Site<Config>): void {
  const value = parseIdMapOption(mount.options?.[index] ?? '');
  const inContainer = namespaceOf(on.root, 'user') !== undefined;
  const own = (mount.uidMappings?.length ?? 0) > 0;
  const hint = 'add uidMappings and gidMappings to the mount';
  if (typeof value === 'string') on.error('BAD_IDMAP', `/options/${index}`, `invalid mapping: ${value}`);
  else if (value !== undefined && own)
    on.error('CONFLICT', `/options/${index}`, 'has a mapping of its own beside uidMappings');
  else if (inContainer || own) return;
  else if (value === undefined) {
    const message = 'asks for an id-mapped mount, but neither the mount nor the container has mappings';
    on.error('IDMAP_WITHOUT_MAPPINGS', '/options', message, { hint });
  } else if (value.uids.length === 0 || value.gids.length === 0 || [...value.uids, ...value.gids].some(isRelative)) {
    const message = 'must map uids and gids, without "@": the container has no user namespace to look them up in';
    on.error('MAPPINGS_INCOMPLETE', `/options/${index}`, message);
  }
}

const isRelative = ({ relative }: IdRange) => relative;

export const mountRules: readonly Rule<Config>[] = [
  rule('/mounts/*', destination),
  rule('/mounts/*', besideProc),
  rule('/mounts/*', typeAndSource),
  rule('/mounts/*', knownOptions),
  rule('/mounts/*', contradictions),
  rule('/mounts/*', idmap, { needs: [NAMESPACES] }),
  rule('/mounts/*/uidMappings', idMappings),
  rule('/mounts/*/gidMappings', idMappings),
];
