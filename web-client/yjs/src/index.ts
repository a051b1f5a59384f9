export { sanitizeState } from './awareness';
export type { Access } from './frames';
export { StoaProvider } from './provider';
export type { ProviderCopy, ProviderEvents, ProviderRoom, ProviderStatus, StoaProviderOptions } from './provider';
export type { Refusal, SaveState } from './server-sync';
