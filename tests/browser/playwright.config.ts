import { defineConfig } from '@playwright/test';

// Each test starts its own server and browsers (see fixtures.ts), so there is nothing to share and nothing to configure per project.
export default defineConfig({
  testDir: '.',
  // How fast things are is no matter of these tests, least of all on a busy machine: this is for what never comes.
  timeout: 240_000,
  expect: { timeout: 45_000 },
  workers: 1,
  retries: 0,
  forbidOnly: true,
  reporter: 'list',
  outputDir: 'test-results',
});
