/** A bind can only be shared, or a slave, of a mount that is itself shared. mount_namespaces(7). */
import { readFileSync } from 'node:fs';
import { badRequest } from '../http/api-error.js';

/** Throws ApiError 400, in dockerd's words. */
export function checkPropagation(path: string, propagation: string): void {
  const shared = propagation.endsWith('shared');
  if (!shared && !propagation.endsWith('slave')) return;
  const { mountPoint, fields } = mountOf(path);
  if (fields.some((field) => field.startsWith('shared:'))) return;
  if (!shared && fields.some((field) => field.startsWith('master:'))) return;
  const wanted = shared ? 'a shared mount' : 'a shared or slave mount';
  throw badRequest(`path ${path} is mounted on ${mountPoint} but it is not ${wanted}`);
}

/** The mount that a path lies on: the last of the longest ones. proc(5), "mountinfo". */
function mountOf(path: string): { readonly mountPoint: string; readonly fields: readonly string[] } {
  let found = { mountPoint: '/', fields: [] as readonly string[] };
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const words = line.split(' ');
    const mountPoint = (words[4] ?? '').replace(/\\([0-7]{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    const inside = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (mountPoint !== '' && inside && mountPoint.length >= found.mountPoint.length)
      found = { mountPoint, fields: words.slice(6, words.indexOf('-')) };
  }
  return found;
}
