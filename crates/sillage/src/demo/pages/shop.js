// Tells the tag what the visitor answered, then sends the form as without script.
var consent = document.getElementById("consent");
if (consent) consent.addEventListener("submit", function (event) {
  var answer = event.submitter && event.submitter.value;
  if (!window.sillage || !sillage.loaded || answer == "closed") return;
  event.preventDefault();
  function send() {
    var field = document.createElement("input");
    field.type = "hidden";
    field.name = "answer";
    field.value = answer;
    consent.append(field);
    consent.submit();
  }
  sillage.consent(answer).then(send, send);
});
