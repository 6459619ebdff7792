// npm's `onvif` against a camera: HOST PORT USER on argv, the password in PASSWORD; prints what it learned as JSON.
'use strict';
const { Cam } = require('onvif/promises');

async function main([hostname, port, username]) {
  const cam = new Cam({
    hostname, port: Number(port), username, password: process.env.PASSWORD, timeout: 20000, autoconnect: false,
  });
  await cam.connect();
  const about = await cam.getDeviceInformation();
  const events = await cam.createPullPointSubscription();
  const pulled = await cam.pullMessages({ timeout: 'PT1S', messageLimit: 5 });
  await cam.unsubscribe();
  const asked = [];
  for (const name of ['getSystemDateAndTime', 'getHostname', 'getScopes', 'getCapabilities', 'getServices',
    'getServiceCapabilities', 'getNetworkInterfaces', 'getNTP', 'getDNS', 'getNetworkDefaultGateway', 'getUsers',
    'getVideoSources', 'getVideoSourceConfigurations', 'getVideoEncoderConfigurations',
    'getVideoEncoderConfigurationOptions', 'getOSDs', 'getImagingSettings', 'getImagingServiceCapabilities',
    'getEventProperties', 'getEventServiceCapabilities']) {
    await cam[name]();
    asked.push(name);
  }
  const uris = [];
  for (const profile of cam.profiles) {
    uris.push((await cam.getStreamUri({ protocol: 'RTSP', profileToken: profile.$.token })).uri);
  }
  console.log(JSON.stringify({
    manufacturer: about.manufacturer, serial: about.serialNumber, profiles: cam.profiles.map((p) => p.$.token), uris,
    snapshot: (await cam.getSnapshotUri({})).uri, events: Boolean(events && pulled), asked: asked.length,
  }));
}

main(process.argv.slice(2)).then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
