/**
 * What `tsrun --version` says.
 *
 * Pure.
 */
export { OCI_VERSION } from '../spec/default.js';
export { COMMIT, VERSION } from '../util/version.js';
