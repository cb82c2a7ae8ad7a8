// Leads on as a reader would, and leaves no entry behind that leads on again.
location.replace(document.getElementById("onward").href);
