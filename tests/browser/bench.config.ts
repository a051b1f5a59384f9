import { defineConfig } from '@playwright/test';
import base from './playwright.config.js';

// `make bench-signaling`: measurements, not tests.
export default defineConfig(base, { testMatch: '*.bench.ts', timeout: 300_000 });
