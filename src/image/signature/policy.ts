/**
 * Which images may be pulled: a file in the format of containers-policy.json(5), as Podman has it, with the requirements
 * insecureAcceptAnything, reject, and sigstoreSigned with keys. What asks for anything else (GPG, Fulcio) is refused when
 * the file is read: it must not pass for accepted.
 */
import type { KeyObject } from 'node:crypto';
import { TsrunError } from '../../errors.js';
import { DEFAULT_REGISTRY, formatReference, type Reference, repositoryName } from '../../registry/reference.js';
import { readHostFile } from '../../util/file.js';
import { quote } from '../../util/quote.js';
import { Field } from '../field.js';
import { parseKey } from './payload.js';

export type IdentityRule =
  | { readonly type: 'matchExact' | 'matchRepoDigestOrExact' | 'matchRepository' }
  | { readonly type: 'exactReference' | 'exactRepository'; readonly wanted: string };

export type Requirement =
  | { readonly type: 'insecureAcceptAnything' }
  | { readonly type: 'reject' }
  | { readonly type: 'sigstoreSigned'; readonly keys: readonly KeyObject[]; readonly identity: IdentityRule };

export interface Policy {
  /** Where it was read. */
  readonly path: string;
  readonly fallback: readonly Requirement[];
  readonly scopes: ReadonlyMap<string, readonly Requirement[]>;
}

export const POLICY_FILE = '/etc/tsrun/policy.json';
const MAX_FILE = 1024 * 1024;
const MANY = 10_000;
const IDENTITIES: ReadonlySet<string> = new Set(['matchExact', 'matchRepoDigestOrExact', 'matchRepository']);

/** Throws TsrunError IO, SIGNATURE_POLICY. */
export function readPolicy(path: string): Policy {
  return parsePolicy(readHostFile(path, 'policy', { max: MAX_FILE }), path);
}

export function parsePolicy(bytes: Uint8Array, path: string): Policy {
  const root = policyError(path, () => Field.parse(bytes, path));
  known(root, ['default', 'transports'], path);
  if (!root.get('default').isThere) throw refused(path, '"default" is missing');
  const scopes = root.get('transports').get('docker').entries(MANY);
  const policy = {
    path,
    fallback: readRequirements(root.get('default'), path, 'default'),
    scopes: new Map(scopes.map(([scope, field]) => [scope, readRequirements(field, path, scope)] as const)),
  };
  policyError(path, () => root.finish(path));
  return policy;
}

const refused = (path: string, reason: string, cause?: unknown) =>
  new TsrunError('SIGNATURE_POLICY', `policy ${quote(path)}: ${reason}`, { cause });

function policyError<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw refused(path, error instanceof Error ? error.message : String(error), error);
  }
}

/** A misspelt member would be one that does not count. */
function known(field: Field, keys: readonly string[], path: string): void {
  const other = field.entries(MANY).find(([key]) => !keys.includes(key));
  if (other !== undefined) throw refused(path, `${quote(other[0], 64)} is not known here`);
}

function readRequirements(field: Field, path: string, scope: string): readonly Requirement[] {
  const list = field.list(MANY).map((item) => readRequirement(item, path, scope));
  if (list.length === 0) throw refused(path, `${quote(scope, 200)} has no requirements: an empty list accepts nothing`);
  return list;
}

function readRequirement(item: Field, path: string, scope: string): Requirement {
  const type = item.get('type').value;
  const where = `${quote(scope, 200)}: requirement ${quote(String(type), 64)}`;
  if (type === 'insecureAcceptAnything' || type === 'reject') {
    known(item, ['type'], path);
    return { type };
  }
  if (type !== 'sigstoreSigned')
    throw refused(path, `${where} cannot be checked: known are insecureAcceptAnything, reject, sigstoreSigned`);
  known(item, ['type', 'keyPath', 'keyPaths', 'keyData', 'keyDatas', 'signedIdentity'], path);
  const texts = (one: string, many: string) => [
    ...(item.get(one).isThere ? [item.get(one).text()] : []),
    ...item.get(many).texts(MANY),
  ];
  const keys = [
    ...texts('keyPath', 'keyPaths').map((file) => parseKey(readHostFile(file, 'key', { max: MAX_FILE }), quote(file))),
    ...texts('keyData', 'keyDatas').map((data) => parseKey(Buffer.from(data, 'base64'), `${where}: keyData`)),
  ];
  if (keys.length === 0) throw refused(path, `${where} has no key`);
  return { type, keys, identity: readIdentity(item.get('signedIdentity'), path, where) };
}

function readIdentity(field: Field, path: string, where: string): IdentityRule {
  if (!field.isThere) return { type: 'matchRepoDigestOrExact' };
  const type = field.get('type').value;
  if (typeof type === 'string' && IDENTITIES.has(type)) return { type: type as 'matchExact' };
  if (type === 'exactReference') return { type, wanted: field.get('dockerReference').text() };
  if (type === 'exactRepository') return { type, wanted: field.get('dockerRepository').text() };
  throw refused(path, `${where}: signedIdentity ${quote(String(type), 64)} is not known`);
}

/** The most special scope counts: the reference, its repository and what is above it, its registry, *.domains. */
export function requirementsFor(policy: Policy, reference: Reference): readonly Requirement[] {
  for (const scope of scopesOf(reference)) {
    const found = policy.scopes.get(scope);
    if (found !== undefined) return found;
  }
  return policy.fallback;
}

function* scopesOf(reference: Reference): Iterable<string> {
  yield formatReference(reference);
  const parts = repositoryName(reference).split('/');
  for (let length = parts.length; length > 0; length--) yield parts.slice(0, length).join('/');
  const labels = reference.registry.replace(/:\d+$/, '').split('.');
  for (let skip = 1; skip < labels.length; skip++) yield `*.${labels.slice(skip).join('.')}`;
  yield '';
}

/** identity: what the signature says the image is called. */
export function identityFits(rule: IdentityRule, identity: string, reference: Reference): boolean {
  const repository = repositoryName(reference);
  const exact = formatReference({ ...reference, digest: undefined });
  const signed = identity.includes('/') ? identity : `${DEFAULT_REGISTRY}/library/${identity}`;
  switch (rule.type) {
    case 'matchExact':
      return reference.tag !== undefined && signed === exact;
    case 'matchRepoDigestOrExact':
      return reference.tag === undefined ? repositoryOf(signed) === repository : signed === exact;
    case 'matchRepository':
      return repositoryOf(signed) === repository;
    case 'exactReference':
      return signed === rule.wanted;
    case 'exactRepository':
      return repositoryOf(signed) === rule.wanted;
  }
}

const repositoryOf = (name: string): string => name.replace(/(?::[^:/]+)?(?:@.*)?$/, '');
