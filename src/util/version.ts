/**
 * Which tsrun this is. The build puts version and commit in; from source they are unknown.
 *
 * Pure.
 */
declare const __TSRUN_VERSION__: string | undefined;
declare const __TSRUN_COMMIT__: string | undefined;

export const VERSION = typeof __TSRUN_VERSION__ === 'string' ? __TSRUN_VERSION__ : '0.0.0-source';
export const COMMIT = typeof __TSRUN_COMMIT__ === 'string' && __TSRUN_COMMIT__ !== '' ? __TSRUN_COMMIT__ : 'unknown';
