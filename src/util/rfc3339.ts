/**
 * Times as log lines carry them: RFC 3339, UTC, whole seconds, as logrus writes them where the zone is UTC.
 *
 * Pure.
 */
export function rfc3339(time: Date): string {
  return time.toISOString().replace(/\.\d+Z$/, 'Z');
}
