/**
 * Rules of the top level: ociVersion, root, host name, annotations (runtime-spec config.md).
 *
 * Pure.
 */
import { type Rule, rulesOf, type Site } from '../rule.js';
import type { Config } from '../types.gen.js';
import { addNamespace, inRoot, NAMESPACES, namespaceOf, notEmptyPath } from './common.js';

const SEMVER = /^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

/** utsname's fields have 65 bytes with the NUL: uname(2). */
const UTS_BYTES = 64;

const rule = rulesOf<Config>();

function supportedVersion(version: string, on: Site<Config>): void {
  const found = SEMVER.exec(version);
  if (found === null) on.error('BAD_VERSION', '', 'is not a semantic version (want 1.x, such as "1.3.0")');
  else if (found[1] !== '1') on.error('UNSUPPORTED_VERSION', '', 'unsupported (want 1.x)');
}

function rootPath(path: string, on: Site<Config>): void {
  if (!notEmptyPath(path, on)) return;
  // Pivoting into the host's own root would hand the host over and detach it from itself.
  if (path.startsWith('/') && inRoot(path) === '/') on.error('IS_ROOT', '', "must not be the host's root directory");
}

function hostName(name: string, on: Site<Config>): void {
  utsName(name, 'hostname', on);
}

function domainName(name: string, on: Site<Config>): void {
  utsName(name, 'domainname', on);
}

function utsName(name: string, field: string, on: Site<Config>): void {
  if (name === '') return;
  if (Buffer.byteLength(name) > UTS_BYTES) on.error('TOO_LONG', '', `is longer than ${UTS_BYTES} bytes`);
  if (namespaceOf(on.root, 'uts') !== undefined) return;
  on.error('NEEDS_NAMESPACE', '', `unable to set ${field} without a private UTS namespace`, {
    hint: addNamespace('uts'),
  });
}

function annotationKeys(annotations: { readonly [key: string]: string }, on: Site<Config>): void {
  if (Object.hasOwn(annotations, '')) on.error('EMPTY', '/', 'has an empty key');
}

export const topRules: readonly Rule<Config>[] = [
  rule('/ociVersion', supportedVersion),
  rule('/root/path', rootPath),
  rule('/hostname', hostName, { needs: [NAMESPACES] }),
  rule('/domainname', domainName, { needs: [NAMESPACES] }),
  rule('/annotations', annotationKeys, { shallow: true }),
];
