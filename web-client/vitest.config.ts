import { defineConfig } from 'vitest/config';

// A test that hangs fails in the end. How fast the others are is no matter of a test, least of all on a busy machine.
export default defineConfig({ test: { testTimeout: 120_000, hookTimeout: 120_000 } });
