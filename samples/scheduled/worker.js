// Counts its runs. They and the requests share the module's state, as long as the process lives.

const runs = [];

export default {
  async scheduled(controller) {
    const time = new Date(controller.scheduledTime).toISOString();
    console.log(`running for ${time}, because of ${controller.cron}`);
    runs.push(time);
    runs.splice(0, runs.length - 10);
  },

  fetch() {
    return Response.json(runs);
  },
};
