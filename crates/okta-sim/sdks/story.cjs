// Reads the log with the Okta SDK for Node until it stops by itself, and prints the uuids as JSON.
'use strict';
const fs = require('fs');
const path = require('path');
const okta = require('@okta/okta-sdk-nodejs');

const [url, mode, work] = process.argv.slice(2);
const config = mode === 'ssws'
    ? { token: '00sdk' }
    : {
        authorizationMode: 'PrivateKey',
        clientId: `0oa${mode}`,
        scopes: ['okta.logs.read'],
        privateKey: fs.readFileSync(path.join(work, `${mode}.pem`), 'utf8'),
        keyId: mode,
    };

(async () => {
    const client = new okta.Client({ orgUrl: url, ...config });
    const events = await client.systemLogApi.listLogEvents({ limit: 10 });
    const uuids = [];
    await events.each((event) => { uuids.push(event.uuid); });
    console.log(JSON.stringify(uuids));
})().catch((error) => {
    console.error('the SDK gave an error:', error);
    process.exit(1);
});
