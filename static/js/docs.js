// Starts Swagger UI from the installed package on the description of our API.
const container = document.getElementById("api");
window.SwaggerUIBundle({ url: container.dataset.description, domNode: container, deepLinking: false, validatorUrl: null });
