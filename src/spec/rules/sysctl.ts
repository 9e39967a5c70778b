/**
 * Rules of linux.sysctl: only parameters that a namespace of the container keeps apart from the host's.
 *
 * Pure.
 */
import { append, asPointer } from '../../util/pointer.js';
import { sysctlName, sysctlPath } from '../../util/sysctl-name.js';
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config, NamespaceType } from '../types.gen.js';
import { addNamespace, NAMESPACES, namespaceOf } from './common.js';

interface Scope {
  readonly type: NamespaceType;
  /** The dotted name, or a prefix of it that ends with a dot. */
  readonly names: readonly string[];
  /** runc's text for a container that shares the host's namespace. */
  readonly shared: string;
}

/** Documentation/admin-guide/sysctl: which namespace owns which parameter. */
const SCOPES: readonly Scope[] = [
  {
    type: 'ipc',
    names: [
      'kernel.msgmax',
      'kernel.msgmnb',
      'kernel.msgmni',
      'kernel.msg_next_id',
      'kernel.sem',
      'kernel.sem_next_id',
      'kernel.shmall',
      'kernel.shmmax',
      'kernel.shmmni',
      'kernel.shm_rmid_forced',
      'kernel.shm_next_id',
      'fs.mqueue.',
    ],
    shared: 'is not allowed in the hosts ipc namespace',
  },
  { type: 'network', names: ['net.'], shared: 'not allowed in host network namespace' },
  { type: 'uts', names: ['kernel.domainname'], shared: 'is not in a separate kernel namespace' },
  { type: 'user', names: ['user.'], shared: 'setting ucounts without a user namespace not allowed' },
];

const rule = rulesOf<Config>();

/** The name is at fault, not the value; the path shows it. */
const NAME = { value: undefined };

type Parameters = { readonly [name: string]: string };

const isName = (key: string) =>
  sysctlPath(key)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..');
const at = (key: string) => append(asPointer(''), key);

function sysctlNames(parameters: Parameters, on: Site<Config>): void {
  for (const key of Object.keys(parameters)) {
    if (!isName(key)) {
      on.error('BAD_NAME', at(key), 'is no sysctl name', NAME);
    } else if (sysctlName(key) === 'kernel.hostname') {
      const message = 'sysctl is not allowed as it conflicts with the OCI "hostname" field';
      on.error('CONFLICT', at(key), message, { ...NAME, hint: 'set hostname instead' });
    } else if (scopeOf(key) === undefined) {
      const message = 'sysctl is not in a separate kernel namespace';
      on.error('NOT_NAMESPACED', at(key), message, { ...NAME, hint: 'set it on the host' });
    }
  }
}

function sysctlNamespaces(parameters: Parameters, on: Site<Config>): void {
  for (const key of Object.keys(parameters)) {
    const scope = isName(key) ? scopeOf(key) : undefined;
    if (scope === undefined || namespaceOf(on.root, scope.type) !== undefined) continue;
    on.error('NEEDS_NAMESPACE', at(key), `sysctl ${scope.shared}`, { ...NAME, hint: addNamespace(scope.type) });
  }
}

function scopeOf(key: string): Scope | undefined {
  const name = sysctlName(key);
  return SCOPES.find(({ names }) =>
    names.some((known) => (known.endsWith('.') ? name.startsWith(known) : name === known)),
  );
}

export const sysctlRules: readonly Rule<Config>[] = [
  rule('/linux/sysctl', sysctlNames, { shallow: true }),
  rule('/linux/sysctl', sysctlNamespaces, { needs: [NAMESPACES], shallow: true }),
];
