/**
 * Addresses of this machine, where plain HTTP can be heard by nobody else, and those that are never a registry's.
 *
 * Pure.
 */
import { isIP } from 'node:net';

const bare = (hostname: string): string => hostname.replace(/^\[|\]$/g, '').toLowerCase();

export function isLoopback(hostname: string): boolean {
  const host = bare(hostname);
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === '::1' ||
    (isIP(host) === 4 && host.startsWith('127.'))
  );
}

/** Cloud machines serve their own credentials there. */
export function isLinkLocal(hostname: string): boolean {
  const host = bare(hostname);
  return (isIP(host) === 4 && host.startsWith('169.254.')) || (isIP(host) === 6 && /^fe[89ab]/.test(host));
}

export const isAddress = (hostname: string): boolean => isIP(bare(hostname)) !== 0;
