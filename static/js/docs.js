// Starts Swagger UI from the installed package on the description of our API.
const place = document.getElementById("api");
window.SwaggerUIBundle({ url: place.dataset.description, domNode: place, deepLinking: false, validatorUrl: null });
